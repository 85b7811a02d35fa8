// The inside of an engine: the load, the sessions and streams in flight, and the loop over steps.
// It holds no reference to the host's objects; see engine.h.
//
// Locks, in the order in which they may be taken: close_mu_, pump_mu_, mu_, then those of
// StreamState and LogRing. mu_ is never held while a kernel runs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/active_stream.h"
#include "engine/engine.h"
#include "engine/heap_plan.h"
#include "engine/log_ring.h"
#include "engine/resources.h"
#include "engine/session_state.h"
#include "engine/step.h"
#include "engine/stream_state.h"
#include "scheduler/prefill_pacer.h"

namespace llmrt::engine {

class EngineCore {
 public:
  EngineCore(std::shared_ptr<ModelSource> source, EngineOptions options, EngineAccounts accounts);
  ~EngineCore();

  // Starts the thread that loads and, unless the host pumps, runs steps. RESOURCE_EXHAUSTED: no
  // thread.
  absl::Status Start();
  void Close();

  LoadInfo GetLoad() const;
  absl::Status WaitLoad(int64_t timeout_ms);
  void CancelLoad();
  absl::StatusOr<std::shared_ptr<const Model>> GetModel() const;
  absl::StatusOr<Plan> GetPlan() const;
  absl::StatusOr<std::string> GetFingerprint() const;
  absl::StatusOr<EngineInfo> GetInfo() const;
  // What every call of the host is charged to, and what new sessions, prompts and streams leave
  // free for those that run.
  const memory::BudgetRef& heap() const { return accounts_.heap; }
  int64_t heap_reserve_bytes() const { return StreamReserveBytes(options_.sessions); }
  absl::StatusOr<LogRecord> PollLog(int64_t capacity) { return log_.Poll(capacity); }

  absl::StatusOr<std::shared_ptr<SessionState>> CreateSession(const SessionOptions& options);
  void DestroySession(SessionState& session);
  absl::Status AppendTokens(SessionState& session, absl::Span<const int32_t> tokens);
  // Whether text appended now stands at the session's start.
  absl::StatusOr<bool> IsEmpty(const SessionState& session) const;
  // `adopt` makes the host's end of the stream: the last that may throw, so that a submission that
  // fails has changed nothing. The lock is held.
  absl::Status Submit(const std::shared_ptr<SessionState>& session, StreamOptions options,
                      absl::FunctionRef<void(const std::shared_ptr<StreamState>&)> adopt);
  // A new session with the first `num_tokens` tokens of this one (-1: all), sharing their KV.
  absl::StatusOr<std::shared_ptr<SessionState>> ForkSession(const SessionState& session,
                                                            int64_t num_tokens);
  // Forgets all tokens from `num_tokens` on.
  absl::Status RewindSession(SessionState& session, int64_t num_tokens);
  absl::StatusOr<SessionInfo> GetSessionInfo(const SessionState& session) const;
  absl::StatusOr<int64_t> GetTokens(const SessionState& session, int64_t first,
                                    absl::Span<int32_t> out) const;

  absl::StatusOr<StepInfo> StepFor(int64_t max_us);
  absl::StatusOr<int64_t> Wait(absl::Span<uint64_t> tags, int64_t timeout_ms);
  // Something happened that the loop may have waited for.
  void Wake();
  // A stream was cancelled: the loop looks for it between two slices.
  void WakeToCancel();

  // For tests that compare KV bits: the layout, and the bytes of a session's block. OUT_OF_RANGE:
  // it is not there, or was evicted.
  absl::StatusOr<backend::KvShape> GetKvShape() const;
  absl::Status ReadKvBlock(const SessionState& session, int64_t logical_block,
                           absl::Span<uint8_t> out);

 private:
  void ThreadMain();
  void Load();
  void RunLoop();
  // Does some of a step: true if there was work. Ends after a slice if `stop` says so.
  bool Turn(int64_t slice_us, absl::FunctionRef<bool()> stop);
  bool TurnUnguarded(int64_t slice_us, absl::FunctionRef<bool()> stop);
  // Whether the loop is wanted between two slices: to close, to cancel, or for an arrival.
  bool Interrupted() const;
  bool BeginTurn();           // whether a step is in flight now
  void ShortenForArrivals();  // mu_ held
  void PauseAndResume();      // mu_ held
  void CommitStep();
  void FailStep(const absl::Status& status);
  void FailStepLocked(const absl::Status& status);                    // mu_ held
  void AddStepTimes();                                                // mu_ held
  void Reap();                                                        // mu_ held
  void Retire(ActiveStream& active);                                  // mu_ held
  bool HasWork() const;                                               // mu_ held
  absl::Status CheckReady() const;                                    // mu_ held
  absl::Status CheckIdle(const SessionState& session) const;          // mu_ held
  void ForgetReadStreams();                                           // mu_ held
  void ReserveFor(SessionState& session, const StreamState& stream);  // mu_ held
  absl::Status CheckSubmit(const SessionState& session, const StreamOptions& options) const;

  const EngineAccounts accounts_;
  const std::shared_ptr<ModelSource> source_;
  const EngineOptions options_;
  LogRing log_;
  const std::shared_ptr<ReadySignal> ready_;
  std::thread thread_;
  std::mutex close_mu_;
  std::mutex pump_mu_;  // held by the host's thread that pumps
  std::atomic<bool> stopping_{false};
  std::atomic<bool> load_cancelled_{false};
  // Somebody asks for the loop between two slices: a stream was submitted, or cancelled.
  std::atomic<bool> arrived_{false};
  std::atomic<bool> cancel_asked_{false};

  mutable std::mutex mu_;
  std::condition_variable work_changed_;
  std::condition_variable load_changed_;
  // Guarded by mu_.
  LoadInfo load_;
  absl::Status health_;
  std::vector<std::unique_ptr<ActiveStream>> active_;  // in order of submission
  std::vector<std::weak_ptr<StreamState>> unread_;  // streams that may still have something to read
  int32_t num_sessions_ = 0;
  StepTotals totals_;
  scheduler::PrefillPacer pacer_;
  // Written under mu_ when the load ends and when the engine closes; in between the loop uses what
  // they point to without the lock.
  std::unique_ptr<Resources> resources_;
  std::unique_ptr<Step> step_;
};

}  // namespace llmrt::engine
