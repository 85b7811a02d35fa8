// Stream capture and graphs. A graph is the captured operations in order.
#include "cuda_host/driver_state.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

}  // namespace

LLMRT_EXPORT CuResult cuStreamBeginCapture_v2(CuStream handle, int mode) {
  LLMRT_EMULATED_ENTRY(entry, "cuStreamBeginCapture_v2", kContext);
  if (IdOf(handle) == 0) {
    return entry.Refuse(kCaptureUnsupported, "the default stream cannot be captured");
  }
  Stream* stream = StreamOf(entry, IdOf(handle));
  if (stream == nullptr) return entry.result();
  if (mode != kCuCaptureModeThreadLocal) {
    return entry.Refuse(kCuInvalidValue, "the emulation knows the thread-local mode only");
  }
  if (stream->capturing) return entry.Refuse(kCuInvalidValue, "the stream is captured already");
  stream->capturing = true;
  stream->capture_invalid = false;
  stream->capture_thread = ThreadNumber();
  stream->captured.clear();
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuStreamEndCapture(CuStream handle, CuGraph* graph) {
  LLMRT_EMULATED_ENTRY(entry, "cuStreamEndCapture", kContext);
  Stream* stream = StreamOf(entry, IdOf(handle));
  if (stream == nullptr) return entry.result();
  if (graph == nullptr) return kCuInvalidValue;
  if (!stream->capturing) return entry.Refuse(kCuInvalidValue, "the stream is not captured");
  if (stream->capture_thread != ThreadNumber()) {
    return entry.Refuse(kCaptureWrongThread, "another thread began the capture");
  }
  stream->capturing = false;
  *graph = nullptr;
  auto operations = std::move(stream->captured);
  stream->captured.clear();
  if (stream->capture_invalid) {
    return entry.Refuse(kCaptureInvalidated, "a call during the capture was not allowed");
  }
  const HandleId id = State().NewHandle();
  State().graphs[id] = {entry.context_id(), std::move(operations)};
  *graph = HandleOf<CuGraph>(id);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuGraphInstantiateWithFlags(CuGraphExec* exec, CuGraph handle,
                                                  unsigned long long flags) {
  LLMRT_EMULATED_ENTRY(entry, "cuGraphInstantiateWithFlags", kContext);
  const Graph* graph = entry.Find(State().graphs, IdOf(handle));
  if (graph == nullptr) return entry.result();
  if (exec == nullptr || flags != 0) return entry.Refuse(kCuInvalidValue, "flags must be 0");
  const HandleId id = State().NewHandle();
  State().graph_execs[id] = {graph->context, graph->operations};
  *exec = HandleOf<CuGraphExec>(id);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuGraphUpload(CuGraphExec handle, CuStream stream_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuGraphUpload", kContext);
  if (entry.Find(State().graph_execs, IdOf(handle)) == nullptr) return entry.result();
  Stream* stream = StreamOf(entry, IdOf(stream_handle));
  if (stream == nullptr) return entry.result();
  if (!stream->capturing) return kCuSuccess;
  stream->capture_invalid = true;
  return entry.Refuse(kCaptureUnsupported, "the stream is being captured");
}

LLMRT_EXPORT CuResult cuGraphLaunch(CuGraphExec handle, CuStream stream_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuGraphLaunch", kContext);
  const GraphExec* exec = entry.Find(State().graph_execs, IdOf(handle));
  if (exec == nullptr) return entry.result();
  Stream* stream = StreamOf(entry, IdOf(stream_handle));
  if (stream == nullptr) return entry.result();
  if (stream->capturing) {
    stream->capture_invalid = true;
    return entry.Refuse(kCaptureUnsupported, "the emulation has no graphs inside of graphs");
  }
  for (const auto& operation : exec->operations) {
    PoisonTarget(*operation);
    stream->queue.push_back(operation);
  }
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuGraphExecDestroy(CuGraphExec handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuGraphExecDestroy", kContext);
  if (entry.Find(State().graph_execs, IdOf(handle)) == nullptr) return entry.result();
  State().graph_execs.erase(IdOf(handle));
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuGraphDestroy(CuGraph handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuGraphDestroy", kContext);
  if (entry.Find(State().graphs, IdOf(handle)) == nullptr) return entry.result();
  State().graphs.erase(IdOf(handle));
  return kCuSuccess;
}

}  // namespace llmrt::cuda_host
