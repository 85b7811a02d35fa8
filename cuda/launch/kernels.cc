#include "cuda/launch/kernels.h"

#include <cstring>

#include "cuda/launch/kernel_images.h"

namespace llmrt::cuda {

CuResult Kernels::Load(const DriverTable& driver, int shared_bytes_max) {
  driver_ = &driver;
  const CuResult result = LoadAll(shared_bytes_max);
  if (result != kCuSuccess) Unload();
  return result;
}

CuResult Kernels::LoadAll(int shared_bytes_max) {
  for (const KernelImage* image = kKernelImages; image->module != nullptr; ++image) {
    CuModule module = nullptr;
    if (const CuResult result = driver_->module_load(&module, image->data); result != kCuSuccess) {
      return result;
    }
    modules_[num_modules_++] = module;
    for (int i = 0; i < kKernelCount; ++i) {
      if (std::strcmp(kKernelModules[i], image->module) != 0) continue;
      CuResult result = driver_->module_function(&functions_[i], module, kKernelNames[i]);
      // Above 48 KB a block's shared memory must be asked for, once a kernel.
      if (result == kCuSuccess) {
        result = driver_->set_function_attribute(functions_[i], kCuFunctionMaxDynamicSharedBytes,
                                                 shared_bytes_max);
      }
      if (result != kCuSuccess) return result;
    }
  }
  for (const CuFunction function : functions_) {
    if (function == nullptr) return kCuNotFound;
  }
  return kCuSuccess;
}

void Kernels::Unload() {
  while (num_modules_ > 0) driver_->module_unload(modules_[--num_modules_]);
  for (CuFunction& function : functions_) function = nullptr;
}

CuResult Kernels::LaunchBytes(KernelId kernel, const LaunchShape& shape, const void* args,
                              CuStream stream) const {
  if (shape.grid_x == 0 || shape.grid_y == 0 || shape.grid_z == 0) return kCuSuccess;
  CuLaunchConfig config = {};
  config.grid_x = shape.grid_x;
  config.grid_y = shape.grid_y;
  config.grid_z = shape.grid_z;
  config.block_x = shape.threads;
  config.block_y = config.block_z = 1;
  config.shared_bytes = shape.shared_bytes;
  config.stream = stream;
  void* arguments[] = {const_cast<void*>(args)};
  return driver_->launch(&config, function(kernel), arguments, nullptr);
}

}  // namespace llmrt::cuda
