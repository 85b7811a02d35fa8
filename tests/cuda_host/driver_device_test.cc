// Devices, contexts and the rules of being current.
#include <thread>

#include "cuda_host/driver_state.h"
#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

using DriverDeviceTest = EmulationTest;

TEST_F(DriverDeviceTest, TheArchitectureIsWhatWasChosen) {
  const struct {
    int major, minor, shared_kib;
  } kArchitectures[] = {{8, 0, 163}, {8, 6, 99}, {8, 9, 99}, {9, 0, 227}, {12, 0, 99}};
  for (const auto& want : kArchitectures) {
    ASSERT_EQ(llmrt_emulation_set_architecture(want.major, want.minor), 1);
    int major = 0, minor = 0, shared = 0;
    driver_.device_attribute(&major, kCuAttributeComputeCapabilityMajor, device_);
    driver_.device_attribute(&minor, kCuAttributeComputeCapabilityMinor, device_);
    driver_.device_attribute(&shared, kCuAttributeMaxSharedBytesPerBlockOptin, device_);
    EXPECT_EQ(major, want.major);
    EXPECT_EQ(minor, want.minor);
    EXPECT_EQ(shared, want.shared_kib << 10);
  }
  int value = 0;
  EXPECT_EQ(driver_.device_attribute(&value, static_cast<CuDeviceAttribute>(9999), device_),
            kCuInvalidValue);
  char name[32];
  EXPECT_EQ(driver_.device_name(name, sizeof(name), device_), kCuSuccess);
  EXPECT_STREQ(name, "Emulated GPU");
}

TEST_F(DriverDeviceTest, WithoutADeviceThereIsNothingToInitialise) {
  llmrt_emulation_set_devices(0);
  EXPECT_EQ(driver_.init(0), kCuNoDevice);
  llmrt_emulation_set_devices(2);
  int count = 0;
  EXPECT_EQ(driver_.device_count(&count), kCuSuccess);
  EXPECT_EQ(count, 2);
  CuDevice device;
  EXPECT_EQ(driver_.device_get(&device, 1), kCuSuccess);
  EXPECT_EQ(driver_.device_get(&device, 2), kCuInvalidDevice);
}

TEST_F(DriverDeviceTest, ACallWithoutACurrentContextIsRefused) {
  CuContext popped = nullptr;
  ASSERT_EQ(driver_.context_pop(&popped), kCuSuccess);
  EXPECT_EQ(popped, context_);
  CuDevicePointer pointer;
  EXPECT_EQ(driver_.allocate(&pointer, 4), kCuInvalidContext);
  EXPECT_EQ(driver_.stream_synchronize(stream_), kCuInvalidContext);
  EXPECT_EQ(driver_.context_pop(&popped), kCuInvalidContext);
  ASSERT_EQ(driver_.context_push(context_), kCuSuccess);
  EXPECT_EQ(driver_.stream_synchronize(stream_), kCuSuccess);
}

TEST_F(DriverDeviceTest, CurrentIsPerThread) {
  CuResult before = kCuSuccess, after = kCuUnknown;
  std::thread([&] {
    before = driver_.stream_synchronize(stream_);
    driver_.context_push(context_);
    after = driver_.stream_synchronize(stream_);
  }).join();
  EXPECT_EQ(before, kCuInvalidContext);
  EXPECT_EQ(after, kCuSuccess);
}

TEST_F(DriverDeviceTest, HandlesOfAnotherContextAreRefused) {
  CuContext other = nullptr;
  ASSERT_EQ(driver_.context_create(&other, 0, device_), kCuSuccess);
  EXPECT_EQ(driver_.stream_synchronize(stream_), kInvalidHandle);
  EXPECT_NE(message().find("belongs to another context"), std::string::npos);
  CuFunction function;
  EXPECT_EQ(driver_.module_function(&function, module_, "WhereKernel"), kInvalidHandle);
  EXPECT_EQ(driver_.context_destroy(other), kCuSuccess);
  EXPECT_EQ(driver_.stream_synchronize(stream_), kCuSuccess);
}

TEST_F(DriverDeviceTest, ADestroyedContextStaysKnownWhereItIsCurrent) {
  CuResult result = kCuSuccess;
  std::thread worker([&] {
    driver_.context_push(context_);
    std::thread([&] { driver_.context_destroy(context_); }).join();
    result = driver_.stream_synchronize(stream_);
  });
  worker.join();
  EXPECT_EQ(result, kCuContextIsDestroyed);
  context_ = nullptr;
}

TEST_F(DriverDeviceTest, ContextsTakeMemory) {
  size_t free_bytes = 0, total = 0;
  ASSERT_EQ(driver_.memory_info(&free_bytes, &total), kCuSuccess);
  EXPECT_EQ(total - free_bytes, llmrt_emulation_context_bytes());
  CuContext other = nullptr;
  llmrt_emulation_set_total_memory(llmrt_emulation_context_bytes() * 2 - 1);
  EXPECT_EQ(driver_.context_create(&other, 0, device_), kCuOutOfMemory);
}

TEST_F(DriverDeviceTest, ErrorsHaveNames) {
  const char* name = nullptr;
  EXPECT_EQ(driver_.error_name(kCuIllegalAddress, &name), kCuSuccess);
  EXPECT_STREQ(name, "CUDA_ERROR_ILLEGAL_ADDRESS");
  EXPECT_EQ(driver_.error_name(static_cast<CuResult>(12345), &name), kCuInvalidValue);
}

}  // namespace
}  // namespace llmrt::cuda_host
