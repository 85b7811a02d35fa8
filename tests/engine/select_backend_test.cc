#include "engine/select_backend.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/model/random_model.h"

namespace llmrt::engine {
namespace {

TEST(SelectBackendTest, AutoAndCpuAreTheCpu) {
  memory::LargeMemory memory(0);
  for (const char* device : {"auto", "cpu"}) {
    EngineOptions options;
    options.device = device;
    options.threads = 2;
    const auto backend = SelectBackend(options, memory, options.job_hook);
    ASSERT_TRUE(backend.ok()) << backend.status();
    EXPECT_EQ((*backend)->device(), "cpu");
    EXPECT_EQ((*backend)->num_threads(), 2);
  }
}

TEST(SelectBackendTest, ADeviceWhosePluginIsNotThereIsNotFound) {
  memory::LargeMemory memory(0);
  EngineOptions options;
  options.plugin_folder = "/nowhere";
  for (const char* device : {"cuda", "cuda:0", "cuda:12"}) {
    options.device = device;
    const absl::Status status = SelectBackend(options, memory, options.job_hook).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    for (const std::string& part :
         {absl::StrCat("'", device, "'"), std::string("/nowhere/"), std::string("cpu")}) {
      EXPECT_NE(status.message().find(part), std::string_view::npos) << status;
    }
  }
}

TEST(SelectBackendTest, WhatIsNoDevicesNameIsAnInvalidArgument) {
  memory::LargeMemory memory(0);
  EngineOptions options;
  for (const char* device :
       {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda1", "cuda:99999999999"}) {
    options.device = device;
    EXPECT_EQ(SelectBackend(options, memory, options.job_hook).status().code(),
              absl::StatusCode::kInvalidArgument)
        << device;
  }
}

TEST(SelectBackendTest, AutoTriesTheCpuAfterADeviceThatWillNotDo) {
  const auto file = testing::OpenRandomModel({.type = backend::WeightType::kF16});
  EngineOptions options;
  std::vector<std::string> tried;
  absl::Status first, why_not;
  const auto use = [&](const EngineOptions& chosen) {
    tried.push_back(chosen.device);
    return tried.size() == 1 ? first : absl::OkStatus();
  };
  EXPECT_TRUE(UseFirstDevice(options, *file, use, why_not).ok());
  EXPECT_TRUE(why_not.ok());
  EXPECT_EQ(tried, std::vector<std::string>{"cuda:0"});

  first = absl::NotFoundError("no plugin");
  tried.clear();
  EXPECT_TRUE(UseFirstDevice(options, *file, use, why_not).ok());
  EXPECT_EQ(why_not, first);
  EXPECT_EQ(tried, (std::vector<std::string>{"cuda:0", "cpu"}));

  // What would go wrong anywhere is said at once.
  for (const absl::Status& status : {absl::CancelledError("x"), absl::DataLossError("x"),
                                     absl::UnavailableError("x"), absl::OutOfRangeError("x")}) {
    first = status;
    tried.clear();
    EXPECT_EQ(UseFirstDevice(options, *file, use, why_not), status);
    EXPECT_EQ(tried.size(), 1u);
  }

  options.numerics = backend::NumericMode::kReference;
  first = absl::OkStatus();
  tried.clear();
  EXPECT_TRUE(UseFirstDevice(options, *file, use, why_not).ok());
  EXPECT_EQ(tried, std::vector<std::string>{"cpu"});
}

TEST(SelectBackendTest, AutoOpensNoDeviceForWeightsThatItDoesNotRun) {
  const auto file = testing::OpenRandomModel({.type = backend::WeightType::kQ8_0});
  std::vector<std::string> tried;
  absl::Status why_not;
  const auto use = [&](const EngineOptions& chosen) {
    tried.push_back(chosen.device);
    return absl::OkStatus();
  };
  EXPECT_TRUE(UseFirstDevice(EngineOptions(), *file, use, why_not).ok());
  EXPECT_EQ(tried, std::vector<std::string>{"cpu"});
  EXPECT_EQ(why_not.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(why_not.message().find("Q8_0"), std::string_view::npos) << why_not;
}

TEST(SelectBackendTest, ANamedDeviceIsTheOnlyOneTried) {
  EngineOptions options;
  options.device = "cuda:3";
  int tried = 0;
  absl::Status why_not;
  const auto file = testing::OpenRandomModel({.type = backend::WeightType::kF16});
  const absl::Status status = UseFirstDevice(
      options, *file,
      [&](const EngineOptions& chosen) {
        ++tried;
        EXPECT_EQ(chosen.device, "cuda:3");
        return absl::NotFoundError("none");
      },
      why_not);
  EXPECT_EQ(status, absl::NotFoundError("none"));
  EXPECT_TRUE(why_not.ok());
  EXPECT_EQ(tried, 1);
}

TEST(SelectBackendTest, ReferenceNumericsKeepKvInFloat32) {
  EngineOptions options;
  options.kv_type = backend::KvType::kBF16;
  EXPECT_EQ(EffectiveKvType(options), backend::KvType::kBF16);
  options.numerics = backend::NumericMode::kReference;
  EXPECT_EQ(EffectiveKvType(options), backend::KvType::kF32);
  memory::LargeMemory memory(0);
  EXPECT_EQ(SelectBackend(options, memory, options.job_hook).value()->DeviceClass(),
            "cpu/reference");
}

}  // namespace
}  // namespace llmrt::engine
