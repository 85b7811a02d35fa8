#include "cuda/plugin/graphs.h"

namespace llmrt::cuda {
namespace {

using backend::PluginDevice;
using backend::PluginError;

// From a captured graph to one that is ready on the device.
int32_t Instantiate(PluginDevice& device, CuGraph graph, PluginError* error) {
  const DriverTable& driver = device.driver;
  CuGraphExec exec = nullptr;
  int32_t code =
      Check(driver, driver.graph_instantiate(&exec, graph, 0), "cuGraphInstantiate", error);
  if (code != 0) return code;
  // The first launch would otherwise upload it, in the middle of a step.
  code = Check(driver, driver.graph_upload(exec, device.stream), "cuGraphUpload", error);
  if (code != 0) {
    driver.graph_exec_destroy(exec);
    return code;
  }
  CuGraphExec& slot = device.graphs[device.recording];
  if (slot != nullptr) driver.graph_exec_destroy(slot);
  slot = exec;
  return 0;
}

void CloseRecording(PluginDevice& device) {
  device.driver.stream_destroy(device.recording_stream);
  device.recording = -1;
  device.launch_stream = device.stream;
}

}  // namespace

int32_t BeginRecording(PluginDevice* device, int32_t slot, PluginError* error) {
  if (slot < 0 || slot >= backend::kPluginGraphSlots || device->recording >= 0) {
    return Fail(error, kInternal, "recording %d begins; %d is open, slots are 0 to %d", slot,
                device->recording, backend::kPluginGraphSlots - 1);
  }
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  const DriverTable& driver = device->driver;
  int32_t code =
      Check(driver, driver.stream_create(&device->recording_stream, kCuStreamNonBlocking),
            "cuStreamCreate", error);
  if (code != 0) return code;
  // Thread-local: what other threads of the host do with CUDA meanwhile is theirs.
  code = Check(driver, driver.begin_capture(device->recording_stream, kCuCaptureModeThreadLocal),
               "cuStreamBeginCapture", error);
  if (code != 0) {
    driver.stream_destroy(device->recording_stream);
    return code;
  }
  device->recording = slot;
  device->launch_stream = device->recording_stream;
  return 0;
}

int32_t EndRecording(PluginDevice* device, PluginError* error) {
  if (device->recording < 0) return Fail(error, kInternal, "no recording is open");
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  CuGraph graph = nullptr;
  int32_t code = Check(device->driver, device->driver.end_capture(device->recording_stream, &graph),
                       "cuStreamEndCapture", error);
  if (code == 0) {
    code = Instantiate(*device, graph, error);
    device->driver.graph_destroy(graph);
  }
  CloseRecording(*device);
  return code;
}

int32_t Replay(PluginDevice* device, int32_t slot, PluginError* error) {
  if (slot < 0 || slot >= backend::kPluginGraphSlots || device->graphs[slot] == nullptr) {
    return Fail(error, kInternal, "nothing is recorded in slot %d", slot);
  }
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  device->finish_recorded = false;
  return Check(device->driver, device->driver.graph_launch(device->graphs[slot], device->stream),
               "cuGraphLaunch", error);
}

void AbandonRecording(PluginDevice& device) {
  if (device.recording < 0) return;
  CuGraph graph = nullptr;
  device.driver.end_capture(device.recording_stream, &graph);
  if (graph != nullptr) device.driver.graph_destroy(graph);
  CloseRecording(device);
}

void ReleaseGraphs(PluginDevice& device) {
  for (CuGraphExec& graph : device.graphs) {
    if (graph != nullptr) device.driver.graph_exec_destroy(graph);
    graph = nullptr;
  }
}

}  // namespace llmrt::cuda
