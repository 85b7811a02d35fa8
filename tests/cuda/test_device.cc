#include "cuda/test_device.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "cuda/driver/driver_library.h"
#include "cuda/launch/kernel_images.h"

namespace llmrt::cuda {
namespace {

bool FindEmulation(Emulation* emulation) {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return false;
  bool found = true;
#define LLMRT_CUDA_EMULATION_FIND(name)                                  \
  emulation->name = reinterpret_cast<decltype(&llmrt_emulation_##name)>( \
      dlsym(library, "llmrt_emulation_" #name));                         \
  found = found && emulation->name != nullptr;
  LLMRT_CUDA_EMULATION_CONTROLS(LLMRT_CUDA_EMULATION_FIND)
#undef LLMRT_CUDA_EMULATION_FIND
  return found;
}

}  // namespace

TestDevice& TestDevice::Get() {
  // Never destroyed: what a driver keeps for the thread is gone before static objects are.
  static TestDevice* const device = new TestDevice;
  return *device;
}

TestDevice::TestDevice() { problem_ = Open(); }

TestDevice::~TestDevice() { CloseContext(); }

std::string TestDevice::Describe(const char* what, CuResult result) {
  if (result == kCuSuccess) return "";
  const char* name = nullptr;
  driver_.error_name(result, &name);
  std::string text = std::string(what) + ": " + (name != nullptr ? name : "unknown error");
  if (emulated_ && *emulation_.last_message() != 0) {
    text += std::string(" (") + emulation_.last_message() + ")";
  }
  return text;
}

std::string TestDevice::Open() {
  // A library that is loaded already is found by its name before any folder is searched.
  const char* real = std::getenv("LLMRT_TEST_CUDA_DRIVER");
  if (real != nullptr && dlopen(real, RTLD_NOW) == nullptr) return dlerror();
  if (const char* problem = OpenDriverLibrary(&driver_); problem != nullptr) return problem;
  emulated_ = FindEmulation(&emulation_);
  if (const CuResult result = driver_.init(0); result != kCuSuccess) {
    return Describe("cuInit", result);
  }
  if (const CuResult result = driver_.device_get(&device_, 0); result != kCuSuccess) {
    return Describe("cuDeviceGet", result);
  }
  return OpenContext();
}

std::string TestDevice::OpenContext() {
  CloseContext();
  ++context_number_;
  driver_.device_attribute(&major_, kCuAttributeComputeCapabilityMajor, device_);
  driver_.device_attribute(&minor_, kCuAttributeComputeCapabilityMinor, device_);
  if (const CuResult result = driver_.context_create(&context_, 0, device_); result != kCuSuccess) {
    return Describe("cuCtxCreate", result);
  }
  return Describe("cuStreamCreate", driver_.stream_create(&stream_, kCuStreamNonBlocking));
}

void TestDevice::CloseContext() {
  if (context_ != nullptr) driver_.context_destroy(context_);  // and all that is in it
  context_ = nullptr;
  modules_.clear();
  for (CuFunction& function : functions_) function = nullptr;
  broken_ = false;
}

// Modules are loaded when a kernel of theirs is first launched, so that tests run although another
// kernel is missing.
std::string TestDevice::FindFunction(const char* kernel, CuFunction* function) {
  int id = 0;
  while (std::strcmp(kKernelNames[id], kernel) != 0) ++id;
  *function = functions_[id];
  if (*function != nullptr) return "";
  for (const KernelImage* image = kKernelImages; image->module != nullptr; ++image) {
    if (std::strcmp(image->module, kKernelModules[id]) != 0) continue;
    CuModule module = nullptr;
    CuResult result = driver_.module_load(&module, image->data);
    if (result != kCuSuccess) return Describe("cuModuleLoadData", result);
    modules_.push_back(module);
    result = driver_.module_function(function, module, kernel);
    if (result != kCuSuccess) return Describe("cuModuleGetFunction", result);
    // Asked now: a test may have changed the architecture.
    int shared_bytes_max = 0;
    result = driver_.device_attribute(&shared_bytes_max, kCuAttributeMaxSharedBytesPerBlockOptin,
                                      device_);
    if (result != kCuSuccess) return Describe("cuDeviceGetAttribute", result);
    result = driver_.set_function_attribute(*function, kCuFunctionMaxDynamicSharedBytes,
                                            shared_bytes_max);
    if (result != kCuSuccess) return Describe("cuFuncSetAttribute", result);
    functions_[id] = *function;
    return "";
  }
  return std::string("no module ") + kKernelModules[id] + " for " + kernel;
}

std::string TestDevice::LaunchBytes(const char* kernel, const LaunchShape& shape,
                                    const void* args) {
  if (!ok()) return problem_;
  if (broken_) return std::string(kernel) + ": an earlier fault broke the context";
  CuFunction function = nullptr;
  if (const std::string problem = FindFunction(kernel, &function); !problem.empty()) {
    return problem;
  }
  CuLaunchConfig config = {};
  config.grid_x = shape.grid_x;
  config.grid_y = shape.grid_y;
  config.grid_z = shape.grid_z;
  config.block_x = shape.threads;
  config.block_y = config.block_z = 1;
  config.shared_bytes = shape.shared_bytes;
  config.stream = stream_;
  void* arguments[] = {const_cast<void*>(args)};
  if (emulated_) emulation_.clear_message();
  const CuResult result = driver_.launch(&config, function, arguments, nullptr);
  if (result != kCuSuccess) return Describe(kernel, result);
  const std::string problem = Describe(kernel, driver_.stream_synchronize(stream_));
  broken_ = !problem.empty();
  return problem;
}

CuDevicePointer TestDevice::Allocate(size_t bytes, uint64_t* context_number) {
  if (broken_) problem_ = OpenContext();
  *context_number = context_number_;
  CuDevicePointer pointer = 0;
  if (!ok()) return 0;
  const CuResult result = driver_.allocate(&pointer, bytes);
  return result == kCuSuccess ? pointer : 0;
}

void TestDevice::Release(CuDevicePointer pointer, uint64_t context_number) {
  if (!broken_ && context_number == context_number_) driver_.release(pointer);
}

void TestDevice::Upload(CuDevicePointer to, const void* from, size_t bytes) {
  if (!ok() || broken_) return;
  driver_.copy_to_device(to, from, bytes, stream_);
  broken_ = driver_.stream_synchronize(stream_) != kCuSuccess;
}

void TestDevice::Download(void* to, CuDevicePointer from, size_t bytes) {
  std::memset(to, 0xff, bytes);
  if (!ok() || broken_) return;
  driver_.copy_to_host(to, from, bytes, stream_);
  broken_ = driver_.stream_synchronize(stream_) != kCuSuccess;
}

}  // namespace llmrt::cuda
