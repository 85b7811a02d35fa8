#include "engine/select_backend.h"

#include <gtest/gtest.h>

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

TEST(SelectBackendTest, ADeviceThatIsNotThereIsNotFound) {
  memory::LargeMemory memory(0);
  EngineOptions options;
  options.device = "cuda:0";
  const absl::Status status = SelectBackend(options, memory, options.job_hook).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find("cuda:0"), std::string_view::npos);
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
