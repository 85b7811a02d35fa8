// What the emulated driver knows: devices, contexts and the objects that live in them, the calls
// made so far and the fault to come. All of it is guarded by one lock, which every entry holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/driver/driver_types.h"
#include "cuda_host/grid.h"

namespace llmrt::cuda_host {

using cuda::CuResult;

// CUresult values that only the emulation returns by name.
inline constexpr CuResult kInvalidHandle = static_cast<CuResult>(400);
inline constexpr CuResult kCaptureUnsupported = static_cast<CuResult>(900);
inline constexpr CuResult kCaptureInvalidated = static_cast<CuResult>(901);
inline constexpr CuResult kCaptureUnmatched = static_cast<CuResult>(903);
inline constexpr CuResult kCapturedEvent = static_cast<CuResult>(907);
inline constexpr CuResult kCaptureWrongThread = static_cast<CuResult>(908);

// A handle is a number that is never used again, so a stale one is always noticed.
using HandleId = uint64_t;

struct HostBlock {
  std::unique_ptr<uint8_t[]> memory;
  size_t bytes = 0;
  HandleId context = 0;
  bool released = false;
};

// Something a stream does, later.
struct Operation {
  enum class Kind { kLaunch, kCopyToDevice, kCopyToHost, kCopyOnDevice, kFill, kRecordEvent };
  Kind kind;
  // Launch:
  const KernelEntry* kernel = nullptr;
  GridPoint grid = {};
  uint32_t threads = 0;
  uint32_t shared_bytes = 0;
  std::vector<uint8_t> args;
  // Copy, fill; for a fill `value`:
  uintptr_t to = 0;
  uintptr_t from = 0;
  size_t bytes = 0;
  uint8_t value = 0;
  std::shared_ptr<HostBlock> host;  // the pinned memory that a copy touches, if it does
  HandleId event = 0;
  uint64_t event_record = 0;
};

struct Graph {
  HandleId context;
  std::vector<std::shared_ptr<const Operation>> operations;
};
struct GraphExec {
  HandleId context;
  std::vector<std::shared_ptr<const Operation>> operations;
};

struct Stream {
  HandleId context;
  std::deque<std::shared_ptr<const Operation>> queue;
  bool capturing = false;
  bool capture_invalid = false;
  uint64_t capture_thread = 0;
  std::vector<std::shared_ptr<const Operation>> captured;
};

struct Event {
  HandleId context;
  bool timed = true;
  bool captured = false;   // last recorded in a capture
  uint64_t recorded = 0;   // how often
  uint64_t completed = 0;  // the last record that was reached
  double time_ms = 0;
  HandleId stream = 0;
};

struct Function {
  const KernelEntry* kernel;
  HandleId module;
  int shared_bytes_max = 48 << 10;
};
struct Module {
  HandleId context;
};

struct Context {
  int device = 0;
  CuResult fault = cuda::kCuSuccess;  // sticky
};

struct DeviceBlock {
  std::unique_ptr<uint8_t, void (*)(void*)> memory{nullptr, nullptr};
  size_t bytes = 0;
  HandleId context = 0;
};

template <typename T>
using Objects = std::map<HandleId, T>;

struct Settings {
  int major = 9;
  int minor = 0;
  int devices = 1;
  uint64_t total_memory = uint64_t{1} << 30;
  bool detect_races = true;
};

struct DriverState {
  std::mutex mutex;
  Settings settings;
  Random random;
  bool initialised = false;
  HandleId next_handle = 0x1000;
  double clock_ms = 0;

  Objects<Context> contexts;
  Objects<Module> modules;
  Objects<Function> functions;
  Objects<Stream> streams;  // number 0 of a context is its default stream: see StreamOf
  Objects<Event> events;
  Objects<Graph> graphs;
  Objects<GraphExec> graph_execs;
  std::map<uintptr_t, DeviceBlock> allocations;
  std::map<uintptr_t, std::shared_ptr<HostBlock>> host_blocks;

  std::vector<const char*> calls;
  int64_t failing_call = -1;
  CuResult failing_result = cuda::kCuSuccess;
  bool failing_sticky = false;
  std::string message;

  HandleId NewHandle() { return next_handle += 16; }
  uint64_t UsedMemory() const;
};

// Never destroyed: hosts call the driver until the very end.
DriverState& State();

inline constexpr uint64_t kContextBytes = uint64_t{64} << 20;

// The contexts of the calling thread, current one last.
std::vector<HandleId>& ContextStack();

uint64_t ThreadNumber();

template <typename Handle>
HandleId IdOf(Handle handle) {
  return reinterpret_cast<HandleId>(handle);
}
template <typename Handle>
Handle HandleOf(HandleId id) {
  return reinterpret_cast<Handle>(id);
}

template <typename T>
T* FindObject(Objects<T>& objects, HandleId id) {
  const auto it = objects.find(id);
  return it != objects.end() ? &it->second : nullptr;
}

// Every entry of the driver begins with one of these: it takes the lock, counts the call, and says
// whether the call goes on.
class Entry {
 public:
  enum class Needs {
    kNothing,     // not even cuInit
    kInit,        // cuInit
    kContext,     // a current context without a fault
    kUncaptured,  // that, and no capture of this thread: the call may synchronize
  };
  Entry(const char* symbol, Needs needs);

  CuResult result() const { return result_; }
  HandleId context_id() const { return context_id_; }
  Context& context() const { return *context_; }
  // An object of the current context, or null with result() set.
  template <typename T>
  T* Find(Objects<T>& objects, HandleId id) {
    T* object = FindObject(objects, id);
    if (object != nullptr && object->context == context_id_) return object;
    result_ = Refuse(kInvalidHandle, object != nullptr ? "the handle belongs to another context"
                                                       : "no such handle");
    return nullptr;
  }
  // Notes why, and returns the result.
  CuResult Refuse(CuResult result, const std::string& why);

 private:
  std::lock_guard<std::mutex> lock_;
  const char* symbol_;
  CuResult result_ = cuda::kCuSuccess;
  HandleId context_id_ = 0;
  Context* context_ = nullptr;
};

// Stream work (stream.cc). `id` 0 is the context's default stream.
Stream* StreamOf(Entry& entry, HandleId id);
// Appends to the stream's queue or to the graph that it records.
void Enqueue(Stream& stream, Operation operation);
// D2H targets hold the poison until the copy is done.
void PoisonTarget(const Operation& operation);
// Runs the stream's first `count` operations, or all that there are; the context's fault ends it.
void RunQueue(Stream& stream, Context& context, size_t count = SIZE_MAX);
// Removes everything that belongs to the context, and the context.
void DestroyContext(HandleId id);
// Captures of the calling thread become invalid; true if there was one.
bool InvalidateCaptures(HandleId context);

#define LLMRT_EMULATED_ENTRY(variable, symbol, needs) \
  Entry variable(symbol, Entry::Needs::needs);        \
  if (variable.result() != cuda::kCuSuccess) return variable.result()

}  // namespace llmrt::cuda_host

// Exports a driver's function.
#define LLMRT_EXPORT extern "C" __attribute__((visibility("default")))
