#include "plugin/device.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "backend/device_lost.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/plugin/fake_plugin.h"

namespace llmrt::plugin {
namespace {

using ::llmrt::testing::FakePlugin;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

backend::PluginError ErrorOf(const std::string& text) {
  backend::PluginError error = {};
  std::memcpy(error.text, text.data(), std::min(text.size(), sizeof(error.text)));
  return error;
}

class DeviceTest : public ::testing::Test {
 protected:
  ~DeviceTest() override { FakePlugin::Get().Reset(); }

  absl::StatusOr<std::unique_ptr<Device>> Open(int32_t index,
                                               std::shared_ptr<const void> library = nullptr) {
    return Device::Open(*fake_.Table("x"), std::move(library), {.device_index = index});
  }
  void Fail(const std::string& call, int32_t code, const std::string& text) {
    fake_.fail_call = call;
    fake_.fail_code = code;
    fake_.fail_text = text;
  }

  FakePlugin& fake_ = FakePlugin::Get();
};

TEST_F(DeviceTest, CodesAreThoseOfStatusesAndTheTextIsOneLine) {
  EXPECT_TRUE(StatusOf(0, ErrorOf("ignored")).ok());
  EXPECT_EQ(StatusOf(8, ErrorOf("full\nnow")), absl::ResourceExhaustedError("full now"));
  EXPECT_EQ(StatusOf(5, ErrorOf("a")).code(), absl::StatusCode::kNotFound);
  // A code that nobody knows, a text without an end, none at all.
  EXPECT_EQ(StatusOf(77, ErrorOf("a")).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOf(-3, ErrorOf("a")).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOf(13, ErrorOf(std::string(400, 'x'))).message().size(), 252u);
  EXPECT_FALSE(StatusOf(13, ErrorOf("")).message().empty());
}

TEST_F(DeviceTest, ALostDeviceIsMarkedAsSuch) {
  const absl::Status status = StatusOf(backend::kPluginDeviceLost, ErrorOf("an address"));
  EXPECT_TRUE(backend::IsDeviceLost(status));
  EXPECT_EQ(status.message(), "an address");
  EXPECT_FALSE(backend::IsDeviceLost(StatusOf(13, ErrorOf("an address"))));
}

TEST_F(DeviceTest, OpensWithTheOptionsAndLetsGoOfTheLibraryLast) {
  auto library = std::make_shared<int>(1);
  {
    auto device = Open(1, library);
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_EQ(fake_.open_options.device_index, 1);
    EXPECT_EQ((*device)->info().compute_major, 9);
    EXPECT_STREQ((*device)->info().name, "Fake");
    EXPECT_EQ(library.use_count(), 2);
  }
  EXPECT_EQ(library.use_count(), 1);
  EXPECT_THAT(fake_.calls, ElementsAre("count_devices", "open", "close"));
}

TEST_F(DeviceTest, ADeviceThatIsNotThereIsNotFound) {
  const absl::Status status = Open(2).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no CUDA device 2; this machine has 2"));
  fake_.num_devices = 0;
  EXPECT_EQ(Open(0).status(), absl::NotFoundError("this machine has no CUDA device; use cpu"));
}

TEST_F(DeviceTest, WhatThePluginSaysOfOpeningIsPassedOn) {
  Fail("count_devices", 5, "this machine has no CUDA driver (libcuda.so.1)");
  EXPECT_EQ(Open(0).status(),
            absl::NotFoundError("this machine has no CUDA driver (libcuda.so.1)"));
  Fail("open", 3, "the context is of another device");
  EXPECT_EQ(Open(0).status(), absl::InvalidArgumentError("the context is of another device"));
  EXPECT_EQ(fake_.open_devices, 0);
}

TEST_F(DeviceTest, MemoryIsChargedRoundedUpAndGivenBackOnce) {
  memory::LargeMemory memory(0);
  auto device = Open(0).value();
  {
    auto first = DeviceMemory::Allocate(*device, memory, 1000, memory::Tag::kKv);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(first->bytes(), 1000);
    EXPECT_EQ(memory.used_bytes(memory::Tag::kKv), 1000);
    EXPECT_EQ(fake_.HeldBytes(), 1024);
    DeviceMemory moved = *std::move(first);
    EXPECT_NE(moved.address(), 0u);
    moved = DeviceMemory::Allocate(*device, memory, 256, memory::Tag::kKv).value();
    EXPECT_EQ(fake_.HeldBytes(), 256);
    const DeviceMemory none = DeviceMemory::Allocate(*device, memory, 0, memory::Tag::kKv).value();
    EXPECT_EQ(none.address(), 0u);
  }
  EXPECT_EQ(memory.used_bytes(), 0);
  EXPECT_EQ(fake_.HeldBytes(), 0);
}

TEST_F(DeviceTest, MemoryThatTheBudgetOrTheDeviceLacksIsNotCharged) {
  memory::LargeMemory memory(1000);
  auto device = Open(0).value();
  EXPECT_EQ(DeviceMemory::Allocate(*device, memory, 1001, memory::Tag::kKv).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(std::count(fake_.calls.begin(), fake_.calls.end(), "allocate"), 0);
  Fail("allocate", 8, "cuda:0 has no 1000 bytes");
  EXPECT_EQ(DeviceMemory::Allocate(*device, memory, 1000, memory::Tag::kKv).status(),
            absl::ResourceExhaustedError("cuda:0 has no 1000 bytes"));
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST_F(DeviceTest, CallsOfSeveralThreadsTakeTurns) {
  memory::LargeMemory memory(0);
  auto device = Open(0).value();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) {
        EXPECT_TRUE(DeviceMemory::Allocate(*device, memory, 64, memory::Tag::kWeights).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory.used_bytes(), 0);
}

}  // namespace
}  // namespace llmrt::plugin
