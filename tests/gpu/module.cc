#include <algorithm>
#include <vector>

#include "gpu/probes.h"

namespace llmrt::gpu {

using cuda::CuEvent;
using cuda::CuFunction;
using cuda::CuResult;
using cuda::DriverTable;
using cuda::kCuSuccess;

Module::Module(cuda::TestDevice& device, const cuda::KernelImage* images) : device_(device) {
  if (device_.driver().module_load(&module_, images->data) != kCuSuccess) module_ = nullptr;
}

Module::~Module() {
  if (module_ != nullptr) device_.driver().module_unload(module_);
}

CuFunction Module::Find(const char* kernel) const {
  CuFunction function = nullptr;
  if (module_ != nullptr) device_.driver().module_function(&function, module_, kernel);
  return function;
}

CuResult LaunchAsync(cuda::TestDevice& device, CuFunction function, const cuda::LaunchShape& shape,
                     const void* args, bool overlap) {
  cuda::CuLaunchAttribute attribute = {};
  attribute.id = cuda::kCuLaunchProgrammaticStreamSerialization;
  attribute.value.programmatic_stream_serialization_allowed = 1;
  cuda::CuLaunchConfig config = {};
  config.grid_x = shape.grid_x;
  config.grid_y = shape.grid_y;
  config.grid_z = shape.grid_z;
  config.block_x = shape.threads;
  config.block_y = config.block_z = 1;
  config.shared_bytes = shape.shared_bytes;
  config.stream = device.stream();
  config.attributes = &attribute;
  config.num_attributes = overlap ? 1 : 0;
  void* arguments[] = {const_cast<void*>(args)};
  return device.driver().launch(&config, function, arguments, nullptr);
}

double MedianMicros(cuda::TestDevice& device, int times, const std::function<CuResult()>& run) {
  const DriverTable& driver = device.driver();
  CuEvent start = nullptr, end = nullptr;
  CuResult result = driver.event_create(&start, cuda::kCuEventDefault);
  if (result == kCuSuccess) result = driver.event_create(&end, cuda::kCuEventDefault);
  std::vector<double> micros;
  for (int i = 0; i <= times && result == kCuSuccess; ++i) {
    float milliseconds = 0;
    result = driver.event_record(start, device.stream());
    if (result == kCuSuccess) result = run();
    if (result == kCuSuccess) result = driver.event_record(end, device.stream());
    if (result == kCuSuccess) result = driver.event_synchronize(end);
    if (result == kCuSuccess) result = driver.event_elapsed(&milliseconds, start, end);
    if (i > 0) micros.push_back(milliseconds * 1e3);
  }
  if (start != nullptr) driver.event_destroy(start);
  if (end != nullptr) driver.event_destroy(end);
  if (result != kCuSuccess || micros.empty()) return -1;
  std::nth_element(micros.begin(), micros.begin() + times / 2, micros.end());
  return micros[static_cast<size_t>(times / 2)];
}

}  // namespace llmrt::gpu
