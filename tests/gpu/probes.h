// The probes: each adds its rows to the report, and how their kernels are found and timed.
#pragma once

#include <functional>

#include "cuda/launch/kernel_images.h"
#include "cuda/test_device.h"
#include "gpu/report.h"

namespace llmrt::gpu {

extern const cuda::KernelImage kProbeImages[];

// A module that is no part of the product, loaded; `images` has one.
class Module {
 public:
  Module(cuda::TestDevice& device, const cuda::KernelImage* images);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  // Null where it has no such kernel. A block of it may have all the shared memory there is.
  cuda::CuFunction Find(const char* kernel) const;

 private:
  cuda::TestDevice& device_;
  cuda::CuModule module_ = nullptr;
};

// Asynchronously, on the device's stream; `overlap` allows programmatic dependent launch.
cuda::CuResult LaunchAsync(cuda::TestDevice& device, cuda::CuFunction function,
                           const cuda::LaunchShape& shape, const void* args, bool overlap = false);

// Median microseconds of what `run` puts on the stream, of `times` after one more; -1 on failure.
double MedianMicros(cuda::TestDevice& device, int times,
                    const std::function<cuda::CuResult()>& run);

// The same of a graph of what `run` launches: without the host's share of a launch.
double GraphMicros(cuda::TestDevice& device, int times, const std::function<cuda::CuResult()>& run);

// Copies on the device (bytes read and written), reading alone, and copies from and to the host.
void ProbeBandwidth(cuda::TestDevice& device, int64_t bytes, Report& report);
// Time from one empty kernel to the next: on a stream, in a graph, with programmatic dependent
// launch.
void ProbeLaunches(cuda::TestDevice& device, int launches, Report& report);
// Matrix instructions against the exact model, with exponents that lie far apart.
void ProbeMatrixUnits(cuda::TestDevice& device, int cases, Report& report);
// Functions that host and device must share to the last bit, over every `stride`-th float.
void ProbeFunctions(cuda::TestDevice& device, uint32_t stride, Report& report);

}  // namespace llmrt::gpu
