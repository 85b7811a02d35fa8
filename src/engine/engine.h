// One loaded model and everything that runs on it: the background load, the step loop on a thread
// of the engine's own or pumped by the host, and the sessions. Host-facing objects (Engine,
// Session, Stream) point upward to keep their parents alive; what the step loop works on never
// does, so the last reference is always dropped by a host's thread, never by the loop's own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model.h"
#include "engine/options.h"
#include "engine/session.h"

namespace llmrt::engine {

enum class LoadPhase : int32_t { kHeader = 0, kWeights = 1, kReady = 2, kFailed = 3, kClosed = 4 };

struct LoadInfo {
  LoadPhase phase = LoadPhase::kHeader;
  absl::Status status;
  float fraction = 0;
};

// Sums over all steps that were committed.
struct StepTotals {
  int64_t steps = 0;
  int64_t rows = 0;
  int64_t prefilled = 0;  // prompt tokens whose KV was written
  int64_t generated = 0;
  int64_t drafted = 0;   // tokens that drafters proposed
  int64_t accepted = 0;  // of these, those that were said
  // At the end of each step: slots in the blocks that hold something, and tokens in them.
  int64_t kv_slots = 0;
  int64_t kv_tokens = 0;
  // Microseconds; those of steps that were dropped count too.
  double plan_us = 0;
  double pass_us = 0;
  double draw_us = 0;
  double draft_us = 0;
  double commit_us = 0;
};

struct EngineInfo {
  int32_t num_sessions = 0;
  int32_t num_streams = 0;
  int32_t threads = 0;
  int64_t blocks_total = 0;
  int64_t blocks_used = 0;
  int64_t memory_used_bytes = 0;
  int64_t memory_peak_bytes = 0;
  int64_t heap_bytes = 0;
  int64_t blocks_cached = 0;
  int64_t blocks_free = 0;
  int64_t tokens_stored = 0;
  int64_t streams_running = 0;
  int64_t streams_waiting = 0;
  int64_t preemptions = 0;
  int64_t tokens_recomputed = 0;
  StepTotals totals;
};

struct StepInfo {
  bool work_remains = false;
  int64_t elapsed_us = 0;
  int64_t tokens_committed = 0;
};

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  int64_t sequence = 0;
  int64_t time_us = 0;
  std::string text;
};

// Marks a status as "the device failed and this engine only closes from here on".
absl::Status UnhealthyError(std::string_view message);
bool IsUnhealthy(const absl::Status& status);

class EngineCore;
struct SessionState;

// Thread-safe.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Returns at once; the load goes on in the background and reports through GetLoad.
  static absl::StatusOr<std::shared_ptr<Engine>> Create(std::shared_ptr<ModelSource> source,
                                                        EngineOptions options);
  ~Engine();

  LoadInfo GetLoad() const;
  absl::Status WaitLoad(int64_t timeout_ms);  // -1: without limit
  void CancelLoad();

  // FAILED_PRECONDITION before the load has finished and after Close; the load's status if it
  // failed.
  absl::StatusOr<std::shared_ptr<const Model>> GetModel() const;
  absl::StatusOr<Plan> GetPlan() const;
  absl::StatusOr<std::string> GetFingerprint() const;
  absl::StatusOr<EngineInfo> GetInfo() const;
  absl::StatusOr<std::shared_ptr<Session>> CreateSession(const SessionOptions& options);

  // Pumped engines: see llmrt_engine_step. max_us -1: until nothing remains.
  absl::StatusOr<StepInfo> Step(int64_t max_us);
  // Waits for streams with something to read; writes their tags, returns how many.
  absl::StatusOr<int64_t> Wait(absl::Span<uint64_t> tags, int64_t timeout_ms);
  // The oldest unread record; NOT_FOUND if none. It is taken only if its text has at most
  // `capacity` bytes; otherwise it is returned and stays.
  absl::StatusOr<LogRecord> PollLog(int64_t capacity);

  // Ends all streams, stops the threads, frees weights and KV. Idempotent.
  void Close();

  // Makes the host's end of a session that the core has counted.
  std::shared_ptr<Session> Adopt(std::shared_ptr<SessionState> state);

  EngineCore& core() { return *core_; }

 private:
  explicit Engine(std::unique_ptr<EngineCore> core);
  const std::unique_ptr<EngineCore> core_;
};

}  // namespace llmrt::engine
