// Streams and events.
#include "cuda_host/driver_state.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

// Other streams may get on meanwhile, or not.
void RunSomeElsewhere(const Stream& waited, HandleId context_id, Context& context) {
  for (auto& [id, stream] : State().streams) {
    if (&stream == &waited || stream.context != context_id || stream.queue.empty()) continue;
    RunQueue(stream, context, State().random.Below(static_cast<uint32_t>(stream.queue.size()) + 1));
  }
}

// A capture cannot be waited for: that ends it.
CuResult RefuseCapturing(Entry& entry, Stream& stream) {
  stream.capture_invalid = true;
  return entry.Refuse(kCaptureUnsupported, "the stream is being captured");
}

}  // namespace

LLMRT_EXPORT CuResult cuStreamCreate(CuStream* stream, unsigned) {
  LLMRT_EMULATED_ENTRY(entry, "cuStreamCreate", kContext);
  if (stream == nullptr) return kCuInvalidValue;
  const HandleId id = State().NewHandle();
  State().streams[id].context = entry.context_id();
  *stream = HandleOf<CuStream>(id);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuStreamDestroy_v2(CuStream handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuStreamDestroy_v2", kContext);
  if (IdOf(handle) == 0) return entry.Refuse(kInvalidHandle, "the default stream");
  Stream* stream = StreamOf(entry, IdOf(handle));
  if (stream == nullptr) return entry.result();
  RunQueue(*stream, entry.context());  // the driver lets queued work finish
  State().streams.erase(IdOf(handle));
  return entry.context().fault;
}

LLMRT_EXPORT CuResult cuStreamSynchronize(CuStream handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuStreamSynchronize", kContext);
  Stream* stream = StreamOf(entry, IdOf(handle));
  if (stream == nullptr) return entry.result();
  if (stream->capturing) return RefuseCapturing(entry, *stream);
  RunSomeElsewhere(*stream, entry.context_id(), entry.context());
  RunQueue(*stream, entry.context());
  return entry.context().fault;
}

LLMRT_EXPORT CuResult cuStreamQuery(CuStream handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuStreamQuery", kContext);
  Stream* stream = StreamOf(entry, IdOf(handle));
  if (stream == nullptr) return entry.result();
  if (stream->capturing) return RefuseCapturing(entry, *stream);
  if (stream->queue.empty()) return kCuSuccess;
  // Anything from no progress to the end of the queue.
  const uint32_t length = static_cast<uint32_t>(stream->queue.size());
  RunQueue(*stream, entry.context(), State().random.Below(length + 1));
  if (entry.context().fault != kCuSuccess) return entry.context().fault;
  return stream->queue.empty() ? kCuSuccess : kCuNotReady;
}

LLMRT_EXPORT CuResult cuEventCreate(CuEvent* event, unsigned flags) {
  LLMRT_EMULATED_ENTRY(entry, "cuEventCreate", kContext);
  if (event == nullptr) return kCuInvalidValue;
  const HandleId id = State().NewHandle();
  State().events[id] = {.context = entry.context_id(),
                        .timed = (flags & kCuEventDisableTiming) == 0};
  *event = HandleOf<CuEvent>(id);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuEventDestroy_v2(CuEvent handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuEventDestroy_v2", kContext);
  if (entry.Find(State().events, IdOf(handle)) == nullptr) return entry.result();
  State().events.erase(IdOf(handle));
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuEventRecord(CuEvent handle, CuStream stream_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuEventRecord", kContext);
  Event* event = entry.Find(State().events, IdOf(handle));
  if (event == nullptr) return entry.result();
  Stream* stream = StreamOf(entry, IdOf(stream_handle));
  if (stream == nullptr) return entry.result();
  // In a capture an event marks a place in the graph and nothing that could be waited for.
  event->captured = stream->capturing;
  if (stream->capturing) return kCuSuccess;
  event->stream = IdOf(stream_handle) != 0 ? IdOf(stream_handle) : entry.context_id();
  Enqueue(*stream, {.kind = Operation::Kind::kRecordEvent,
                    .event = IdOf(handle),
                    .event_record = ++event->recorded});
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuEventSynchronize(CuEvent handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuEventSynchronize", kContext);
  Event* event = entry.Find(State().events, IdOf(handle));
  if (event == nullptr) return entry.result();
  if (event->captured) return entry.Refuse(kCapturedEvent, "the event was recorded in a capture");
  Stream* stream = FindObject(State().streams, event->stream);
  while (stream != nullptr && event->completed < event->recorded && !stream->queue.empty() &&
         entry.context().fault == kCuSuccess) {
    RunQueue(*stream, entry.context(), 1);
  }
  return entry.context().fault;
}

LLMRT_EXPORT CuResult cuEventQuery(CuEvent handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuEventQuery", kContext);
  Event* event = entry.Find(State().events, IdOf(handle));
  if (event == nullptr) return entry.result();
  if (event->captured) return entry.Refuse(kCapturedEvent, "the event was recorded in a capture");
  Stream* stream = FindObject(State().streams, event->stream);
  if (stream != nullptr && event->completed < event->recorded && !stream->queue.empty()) {
    // Anything from no progress to the end of the queue.
    const uint32_t length = static_cast<uint32_t>(stream->queue.size());
    RunQueue(*stream, entry.context(), State().random.Below(length + 1));
  }
  if (entry.context().fault != kCuSuccess) return entry.context().fault;
  return event->completed < event->recorded ? kCuNotReady : kCuSuccess;
}

LLMRT_EXPORT CuResult cuEventElapsedTime(float* milliseconds, CuEvent start_handle,
                                         CuEvent end_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuEventElapsedTime", kContext);
  const Event* start = entry.Find(State().events, IdOf(start_handle));
  const Event* end = entry.Find(State().events, IdOf(end_handle));
  if (start == nullptr || end == nullptr) return entry.result();
  if (milliseconds == nullptr) return kCuInvalidValue;
  if (!start->timed || !end->timed || start->recorded == 0 || end->recorded == 0) {
    return entry.Refuse(kInvalidHandle, "an event without a time");
  }
  if (start->completed < start->recorded || end->completed < end->recorded) return kCuNotReady;
  *milliseconds = static_cast<float>(end->time_ms - start->time_ms);
  return kCuSuccess;
}

}  // namespace llmrt::cuda_host
