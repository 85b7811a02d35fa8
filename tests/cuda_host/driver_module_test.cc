// Modules, functions and what a launch must keep to.
#include "cuda_host/driver_state.h"
#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

class DriverModuleTest : public EmulationTest {
 protected:
  void SetUp() override {
    EmulationTest::SetUp();
    out_ = Device(std::vector<uint32_t>(256));
    ASSERT_EQ(driver_.module_function(&function_, module_, "IncrementKernel"), kCuSuccess);
  }
  CuResult Launch(const CuLaunchConfig& config) {
    TestArgs args = {nullptr, out_, 1, 0};
    void* arguments[] = {&args};
    const CuResult result = driver_.launch(&config, function_, arguments, nullptr);
    return result;
  }
  CuLaunchConfig Config() const {
    CuLaunchConfig config = {};
    config.grid_x = config.grid_y = config.grid_z = config.block_y = config.block_z = 1;
    config.block_x = 32;
    config.stream = stream_;
    return config;
  }

  uint32_t* out_ = nullptr;
  CuFunction function_ = nullptr;
};

TEST_F(DriverModuleTest, KernelsAreFoundByName) {
  CuFunction function = nullptr;
  EXPECT_EQ(driver_.module_function(&function, module_, "NoKernel"), kCuNotFound);
  CuModule module = nullptr;
  EXPECT_EQ(driver_.module_load(&module, nullptr), kCuInvalidValue);
  EXPECT_EQ(driver_.module_unload(module_), kCuSuccess);
  EXPECT_EQ(driver_.module_function(&function, module_, "IncrementKernel"), kInvalidHandle);
  EXPECT_EQ(Launch(Config()), kInvalidHandle);  // went with its module
}

TEST_F(DriverModuleTest, ABlockIsAtMostAsLargeAsTheKernelSays) {
  CuLaunchConfig config = Config();
  EXPECT_EQ(Launch(config), kCuSuccess);
  config.block_x = 64;
  EXPECT_EQ(Launch(config), kCuLaunchOutOfResources);
  EXPECT_NE(message().find("IncrementKernel: block size is 64; the limit is 32"), std::string::npos)
      << message();
  config.block_x = 2048;
  EXPECT_EQ(Launch(config), kCuInvalidValue);
  config.block_x = 33;
  EXPECT_EQ(Launch(config), kCuInvalidValue);
  config.block_x = 0;
  EXPECT_EQ(Launch(config), kCuInvalidValue);
}

TEST_F(DriverModuleTest, GridsHaveTheMachinesLimits) {
  for (unsigned CuLaunchConfig::*dimension : {&CuLaunchConfig::grid_y, &CuLaunchConfig::grid_z}) {
    CuLaunchConfig config = Config();
    config.*dimension = 65536;
    EXPECT_EQ(Launch(config), kCuInvalidValue);
    config.*dimension = 0;
    EXPECT_EQ(Launch(config), kCuInvalidValue);
  }
  CuLaunchConfig config = Config();
  config.grid_x = 0x80000000u;
  EXPECT_EQ(Launch(config), kCuInvalidValue);
}

TEST_F(DriverModuleTest, SharedMemoryAbove48KiBIsAskedFor) {
  CuLaunchConfig config = Config();
  config.shared_bytes = 48 << 10;
  EXPECT_EQ(Launch(config), kCuSuccess);
  config.shared_bytes += 1;
  EXPECT_EQ(Launch(config), kCuInvalidValue);
  EXPECT_EQ(driver_.set_function_attribute(function_, kCuFunctionMaxDynamicSharedBytes, 227 << 10),
            kCuSuccess);
  EXPECT_EQ(Launch(config), kCuSuccess);
  int value = 0;
  EXPECT_EQ(driver_.function_attribute(&value, kCuFunctionMaxDynamicSharedBytes, function_),
            kCuSuccess);
  EXPECT_EQ(value, 227 << 10);
  EXPECT_EQ(
      driver_.set_function_attribute(function_, kCuFunctionMaxDynamicSharedBytes, (227 << 10) + 1),
      kCuInvalidValue);
  config.shared_bytes = 227 << 10;
  EXPECT_EQ(Launch(config), kCuSuccess);
  config.shared_bytes += 1;
  EXPECT_EQ(Launch(config), kCuInvalidValue);
}

TEST_F(DriverModuleTest, ALaunchTakesOneArgument) {
  const CuLaunchConfig config = Config();
  EXPECT_EQ(driver_.launch(&config, function_, nullptr, nullptr), kCuInvalidValue);
  void* arguments[] = {nullptr};
  EXPECT_EQ(driver_.launch(&config, function_, arguments, nullptr), kCuInvalidValue);
}

TEST_F(DriverModuleTest, TheFailingCallDoesNothing) {
  LlmrtEmulationCounts before, after;
  llmrt_emulation_counts(&before);
  llmrt_emulation_reset_calls();
  llmrt_emulation_fail_call(1, kCuOutOfMemory, 0);
  CuDevicePointer pointer[3] = {};
  EXPECT_EQ(driver_.allocate(&pointer[0], 4), kCuSuccess);
  EXPECT_EQ(driver_.allocate(&pointer[1], 4), kCuOutOfMemory);
  EXPECT_EQ(driver_.allocate(&pointer[2], 4), kCuSuccess);
  EXPECT_EQ(pointer[1], 0u);
  llmrt_emulation_counts(&after);
  EXPECT_EQ(after.allocations, before.allocations + 2);
  EXPECT_EQ(llmrt_emulation_calls(), 3u);
  EXPECT_EQ(driver_.release(pointer[0]), kCuSuccess);
  EXPECT_STREQ(llmrt_emulation_call_name(1), "cuMemAlloc_v2");
  EXPECT_STREQ(llmrt_emulation_call_name(3), "cuMemFree_v2");
  EXPECT_EQ(llmrt_emulation_call_name(4), nullptr);
}

TEST_F(DriverModuleTest, AStickyFailureBreaksTheContext) {
  llmrt_emulation_reset_calls();
  llmrt_emulation_fail_call(0, kCuEccUncorrectable, 1);
  EXPECT_EQ(Launch(Config()), kCuEccUncorrectable);
  EXPECT_EQ(Launch(Config()), kCuEccUncorrectable);
  EXPECT_EQ(Synchronize(), kCuEccUncorrectable);
  Restart();
  EXPECT_EQ(Synchronize(), kCuSuccess);
}

}  // namespace
}  // namespace llmrt::cuda_host
