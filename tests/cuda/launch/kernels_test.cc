// Loading kernels and launching them, on a driver that writes down what it is called for.
#include "cuda/launch/kernels.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "cuda/launch/kernel_images.h"

namespace llmrt::cuda {
namespace {

// What the driver has seen since Reset. Modules are numbered from 1, functions are their names.
struct Seen {
  int calls = 0;
  int failing_call = -1;
  std::string missing;  // a kernel that no module has
  int loaded = 0;
  std::multiset<uintptr_t> modules;  // that are loaded
  std::set<std::string> functions;
  std::vector<int> shared_bytes;
  std::vector<CuLaunchConfig> launches;
  std::vector<CuFunction> launched;
  std::vector<uint32_t> arguments;  // first word
} seen;

bool Fails() { return seen.calls++ == seen.failing_call; }

CuResult LoadModule(CuModule* module, const void*) {
  if (Fails()) return kCuOutOfMemory;
  seen.modules.insert(static_cast<uintptr_t>(++seen.loaded));
  *module = reinterpret_cast<CuModule>(static_cast<uintptr_t>(seen.loaded));
  return kCuSuccess;
}
CuResult UnloadModule(CuModule module) {
  EXPECT_EQ(seen.modules.erase(reinterpret_cast<uintptr_t>(module)), 1u);
  return kCuSuccess;
}
CuResult FindFunction(CuFunction* function, CuModule module, const char* name) {
  if (Fails()) return kCuOutOfMemory;
  EXPECT_EQ(seen.modules.count(reinterpret_cast<uintptr_t>(module)), 1u);
  if (seen.missing == name) return kCuNotFound;
  EXPECT_TRUE(seen.functions.insert(name).second) << name;
  // Any address that is its own.
  *function = reinterpret_cast<CuFunction>(const_cast<char*>(seen.functions.find(name)->c_str()));
  return kCuSuccess;
}
CuResult SetAttribute(CuFunction, CuFunctionAttribute attribute, int value) {
  if (Fails()) return kCuInvalidValue;
  EXPECT_EQ(attribute, kCuFunctionMaxDynamicSharedBytes);
  seen.shared_bytes.push_back(value);
  return kCuSuccess;
}
CuResult Launch(const CuLaunchConfig* config, CuFunction function, void** arguments, void** extra) {
  EXPECT_EQ(extra, nullptr);
  seen.launches.push_back(*config);
  seen.launched.push_back(function);
  seen.arguments.push_back(*static_cast<const uint32_t*>(arguments[0]));
  return Fails() ? kCuLaunchFailed : kCuSuccess;
}

class KernelsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    seen = {};
    driver_.module_load = LoadModule;
    driver_.module_unload = UnloadModule;
    driver_.module_function = FindFunction;
    driver_.set_function_attribute = SetAttribute;
    driver_.launch = Launch;
  }
  static int NumModules() {
    int count = 0;
    while (kKernelImages[count].module != nullptr) ++count;
    return count;
  }
  DriverTable driver_;
};

TEST_F(KernelsTest, LoadFindsEveryKernelOnceAndAllowsItAllSharedMemory) {
  Kernels kernels;
  ASSERT_EQ(kernels.Load(driver_, 99 << 10), kCuSuccess);
  EXPECT_EQ(seen.loaded, NumModules());
  EXPECT_EQ(seen.functions.size(), static_cast<size_t>(kKernelCount));
  EXPECT_EQ(seen.shared_bytes, std::vector<int>(kKernelCount, 99 << 10));
  for (int i = 0; i < kKernelCount; ++i) {
    EXPECT_STREQ(reinterpret_cast<const char*>(kernels.function(static_cast<KernelId>(i))),
                 kKernelNames[i]);
  }
  kernels.Unload();
  EXPECT_TRUE(seen.modules.empty());
  EXPECT_EQ(kernels.function(KernelId::kEmbedKernel), nullptr);
  kernels.Unload();  // again: nothing
}

TEST_F(KernelsTest, LoadThatFailsAnywhereLeavesNothingLoaded) {
  const int calls = NumModules() + 2 * kKernelCount;
  for (int call = 0; call < calls; ++call) {
    seen = {};
    seen.failing_call = call;
    Kernels kernels;
    EXPECT_NE(kernels.Load(driver_, 1), kCuSuccess) << call;
    EXPECT_EQ(seen.calls, call + 1);
    EXPECT_TRUE(seen.modules.empty()) << call;
    EXPECT_EQ(kernels.function(KernelId::kEmbedKernel), nullptr);
  }
}

TEST_F(KernelsTest, KernelThatNoModuleHasIsNotFound) {
  seen.missing = kKernelNames[kKernelCount - 1];
  Kernels kernels;
  EXPECT_EQ(kernels.Load(driver_, 1), kCuNotFound);
  EXPECT_TRUE(seen.modules.empty());
}

TEST_F(KernelsTest, LaunchPassesShapeArgumentsAndStream) {
  Kernels kernels;
  ASSERT_EQ(kernels.Load(driver_, 1), kCuSuccess);
  const auto stream = reinterpret_cast<CuStream>(uintptr_t{77});
  const uint32_t argument = 1234;
  const LaunchShape shape = {
      .grid_x = 2, .grid_y = 3, .grid_z = 4, .threads = 96, .shared_bytes = 512};
  EXPECT_EQ(kernels.Launch(KernelId::kSwiGluKernel, shape, argument, stream), kCuSuccess);
  ASSERT_EQ(seen.launches.size(), 1u);
  const CuLaunchConfig& config = seen.launches[0];
  EXPECT_EQ(config.grid_x, 2u);
  EXPECT_EQ(config.grid_y, 3u);
  EXPECT_EQ(config.grid_z, 4u);
  EXPECT_EQ(config.block_x, 96u);
  EXPECT_EQ(config.block_y, 1u);
  EXPECT_EQ(config.block_z, 1u);
  EXPECT_EQ(config.shared_bytes, 512u);
  EXPECT_EQ(config.stream, stream);
  EXPECT_EQ(config.num_attributes, 0u);
  EXPECT_EQ(seen.launched[0], kernels.function(KernelId::kSwiGluKernel));
  EXPECT_EQ(seen.arguments[0], argument);
  kernels.Unload();
}

TEST_F(KernelsTest, EmptyGridIsNotLaunched) {
  Kernels kernels;
  ASSERT_EQ(kernels.Load(driver_, 1), kCuSuccess);
  for (const LaunchShape& shape :
       {LaunchShape{.grid_x = 0}, LaunchShape{.grid_y = 0}, LaunchShape{.grid_z = 0}}) {
    EXPECT_EQ(kernels.Launch(KernelId::kSwiGluKernel, shape, 1u, nullptr), kCuSuccess);
  }
  EXPECT_TRUE(seen.launches.empty());
  kernels.Unload();
}

TEST_F(KernelsTest, LaunchReturnsTheDriversResult) {
  Kernels kernels;
  ASSERT_EQ(kernels.Load(driver_, 1), kCuSuccess);
  seen.failing_call = seen.calls;
  EXPECT_EQ(kernels.Launch(KernelId::kEmbedKernel, LaunchShape{}, 1u, nullptr), kCuLaunchFailed);
  kernels.Unload();
}

}  // namespace
}  // namespace llmrt::cuda
