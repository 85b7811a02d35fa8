// How queued work is done: when a call waits for it, never before.
#include <cstring>

#include "cuda_host/driver_state.h"

namespace llmrt::cuda_host {
namespace {

using Kind = Operation::Kind;

// An operation takes this long on the emulated clock.
constexpr double kOperationMs = 0.01;

CuResult ResultOf(FaultKind kind) {
  switch (kind) {
    case FaultKind::kNone:
      return cuda::kCuSuccess;
    case FaultKind::kIllegalAddress:
      return cuda::kCuIllegalAddress;
    case FaultKind::kMisalignedAddress:
      return cuda::kCuMisalignedAddress;
    case FaultKind::kLaunchFailed:
      return cuda::kCuLaunchFailed;
  }
  return cuda::kCuUnknown;
}

CuResult Failed(CuResult result, const std::string& message) {
  State().message = message;
  return result;
}

CuResult RunLaunch(const Operation& operation) {
  const Settings& settings = State().settings;
  const LaunchConfig config = {
      .kernel = operation.kernel,
      .args = operation.args.data(),
      .grid = operation.grid,
      .threads = operation.threads,
      .shared_bytes = operation.shared_bytes,
      .matrix_unit = settings.major == 8 ? MatrixUnit::kAmpere : MatrixUnit::kHopper,
      .detects_races = settings.detect_races};
  const Fault fault = RunGrid(config, &State().random);
  if (fault.kind == FaultKind::kNone) return cuda::kCuSuccess;
  return Failed(ResultOf(fault.kind), fault.message);
}

CuResult RunCopy(const Operation& operation) {
  const bool to_device = operation.kind != Kind::kCopyToHost;
  const bool from_device = operation.kind != Kind::kCopyToDevice && operation.kind != Kind::kFill;
  if ((to_device && !DeviceMemory().Holds(operation.to, operation.bytes)) ||
      (from_device && !DeviceMemory().Holds(operation.from, operation.bytes))) {
    return Failed(cuda::kCuIllegalAddress,
                  "a copy or fill touches device memory that was freed after it was queued");
  }
  if (operation.host != nullptr && operation.host->released) {
    return Failed(cuda::kCuIllegalAddress,
                  "a copy touches host memory that was freed after it was queued");
  }
  void* to = reinterpret_cast<void*>(operation.to);
  if (operation.kind == Kind::kFill) {
    std::memset(to, operation.value, operation.bytes);
  } else {
    std::memmove(to, reinterpret_cast<const void*>(operation.from), operation.bytes);
  }
  return cuda::kCuSuccess;
}

CuResult RunOperation(const Operation& operation) {
  State().clock_ms += kOperationMs;
  if (operation.kind == Kind::kLaunch) return RunLaunch(operation);
  if (operation.kind != Kind::kRecordEvent) return RunCopy(operation);
  if (Event* event = FindObject(State().events, operation.event); event != nullptr) {
    event->completed = operation.event_record;
    event->time_ms = State().clock_ms;
  }
  return cuda::kCuSuccess;
}

}  // namespace

Stream* StreamOf(Entry& entry, HandleId id) {
  if (id != 0) return entry.Find(State().streams, id);
  // The default stream: kept under the number of its context, which no stream has.
  Stream& stream = State().streams[entry.context_id()];
  stream.context = entry.context_id();
  return &stream;
}

void PoisonTarget(const Operation& operation) {
  if (operation.kind != Kind::kCopyToHost) return;
  if (operation.host != nullptr && operation.host->released) return;
  std::memset(reinterpret_cast<void*>(operation.to), kPoison, operation.bytes);
}

void Enqueue(Stream& stream, Operation operation) {
  auto shared = std::make_shared<const Operation>(std::move(operation));
  if (stream.capturing) {
    stream.captured.push_back(std::move(shared));
    return;
  }
  PoisonTarget(*shared);
  stream.queue.push_back(std::move(shared));
}

void RunQueue(Stream& stream, Context& context, size_t count) {
  while (!stream.queue.empty() && count-- > 0 && context.fault == cuda::kCuSuccess) {
    const std::shared_ptr<const Operation> operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    context.fault = RunOperation(*operation);
  }
}

}  // namespace llmrt::cuda_host
