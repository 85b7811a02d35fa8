#include <algorithm>
#include <vector>

#include "gpu/probes.h"

namespace llmrt::gpu {

using cuda::CuEvent;
using cuda::CuFunction;
using cuda::CuGraph;
using cuda::CuGraphExec;
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
  const DriverTable& driver = device_.driver();
  CuFunction function = nullptr;
  if (module_ == nullptr) return nullptr;
  if (driver.module_function(&function, module_, kernel) != kCuSuccess) return nullptr;
  // As Kernels::Load: above 48 KB a block's shared memory must be asked for.
  int shared_bytes_max = 0;
  driver.device_attribute(&shared_bytes_max, cuda::kCuAttributeMaxSharedBytesPerBlockOptin, 0);
  driver.set_function_attribute(function, cuda::kCuFunctionMaxDynamicSharedBytes, shared_bytes_max);
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

double GraphMicros(cuda::TestDevice& device, int times, const std::function<CuResult()>& run) {
  const DriverTable& driver = device.driver();
  CuGraph graph = nullptr;
  CuResult result = driver.begin_capture(device.stream(), cuda::kCuCaptureModeThreadLocal);
  if (result == kCuSuccess) result = run();
  const CuResult ended = driver.end_capture(device.stream(), &graph);
  if (ended != kCuSuccess) return -1;
  CuGraphExec exec = nullptr;
  double micros = -1;
  if (result == kCuSuccess && driver.graph_instantiate(&exec, graph, 0) == kCuSuccess) {
    micros =
        MedianMicros(device, times, [&] { return driver.graph_launch(exec, device.stream()); });
    driver.graph_exec_destroy(exec);
  }
  driver.graph_destroy(graph);
  return micros;
}

}  // namespace llmrt::gpu
