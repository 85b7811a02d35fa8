// The kernels of one context, loaded, and the one way to launch them.
#pragma once

#include <type_traits>

#include "cuda/driver/driver_table.h"
#include "cuda/kernels/kernel_list.h"
#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

// Belongs to the context that is current when it is loaded; the table must outlive it.
class Kernels {
 public:
  Kernels() = default;
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;

  // Loads every module and finds every kernel. What fails leaves nothing loaded.
  // `shared_bytes_max` is the most dynamic shared memory that a block may ask for.
  CuResult Load(const DriverTable& driver, int shared_bytes_max);
  // With the context current. Idempotent.
  void Unload();

  template <typename Args>
  CuResult Launch(KernelId kernel, const LaunchShape& shape, const Args& args,
                  CuStream stream) const {
    static_assert(std::is_trivially_copyable_v<Args>);
    return LaunchBytes(kernel, shape, &args, stream);
  }

  CuFunction function(KernelId kernel) const { return functions_[static_cast<int>(kernel)]; }

 private:
  CuResult LoadAll(int shared_bytes_max);
  CuResult LaunchBytes(KernelId kernel, const LaunchShape& shape, const void* args,
                       CuStream stream) const;

  const DriverTable* driver_ = nullptr;
  CuModule modules_[kKernelCount] = {};  // the first ones; a module may hold several kernels
  int num_modules_ = 0;
  CuFunction functions_[kKernelCount] = {};
};

}  // namespace llmrt::cuda
