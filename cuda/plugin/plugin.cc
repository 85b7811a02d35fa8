// The one symbol of libllmrt_cuda.so: its table of functions.
#include <cstring>

#include "backend/plugin_table.h"
#include "cuda/plugin/device.h"
#include "cuda/plugin/graphs.h"
#include "cuda/plugin/memory.h"
#include "cuda/plugin/ops.h"
#include "cuda/plugin/steps.h"
#include "generated/build_id.h"

namespace llmrt::cuda {
namespace {

backend::PluginTable MakeTable() {
  backend::PluginTable table = {};
  table.version = backend::kPluginTableVersion;
  table.bytes = sizeof table;
  static_assert(sizeof generated::kBuildId <= sizeof table.build_id);
  std::memcpy(table.build_id, generated::kBuildId, sizeof generated::kBuildId);
  table.count_devices = CountDevices;
  table.open = Open;
  table.close = Close;
  table.allocate = Allocate;
  table.release = Release;
  table.upload = Upload;
  table.download = Download;
  table.copy = Copy;
  table.move_rows = MoveRows;
  table.measure_read_bandwidth = MeasureReadBandwidth;
  table.step_bytes = StepBytes;
  table.reserve_steps = ReserveSteps;
  table.release_steps = ReleaseSteps;
  table.step_memory = GetStepMemory;
  table.begin_step = BeginStep;
  table.end_step = EndStep;
  table.embed = Embed;
  table.rms_norm = RmsNorm;
  table.prepare = Prepare;
  table.matmul = MatMul;
  table.rope_store = RopeStore;
  table.attention = Attention;
  table.swiglu = SwiGlu;
  table.draw = Draw;
  table.draw_results = DrawResults;
  table.begin_recording = BeginRecording;
  table.end_recording = EndRecording;
  table.replay = Replay;
  return table;
}

// Made when the library is loaded, not when it is first asked for: a static of a function would
// need guards of the C++ run time (CMakeLists.txt says why this library does without).
const backend::PluginTable kTable = MakeTable();

}  // namespace
}  // namespace llmrt::cuda

extern "C" __attribute__((visibility("default"))) const llmrt::backend::PluginTable*
llmrt_plugin_table() {
  return &llmrt::cuda::kTable;
}
