#include "engine/engine_core.h"

#include <signal.h>

#include <algorithm>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backend/device_lost.h"
#include "memory/counted_heap.h"
#include "numerics/fp_mode.h"

namespace llmrt::engine {
namespace {

using Clock = std::chrono::steady_clock;

// Between two slices the loop looks at the clock, at cancelled streams, at arrivals and at closing.
// Each costs a few microseconds for starting and joining the threads.
constexpr int64_t kOwnThreadSliceUs = 1000;
// A pump overruns its time by half a slice on average: an eighth of the time it has, between 25 and
// 250 microseconds.
int64_t PumpedSliceUs(int64_t max_us) {
  return max_us < 0    ? kOwnThreadSliceUs
         : max_us == 0 ? 0
                       : std::clamp<int64_t>(max_us / 8, 25, 250);
}

// Blocks every signal on threads created in its scope: a host's handlers run on the host's threads.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock() {
    sigset_t all;
    sigfillset(&all);
    blocked_ = pthread_sigmask(SIG_SETMASK, &all, &before_) == 0;
  }
  ~ScopedSignalBlock() {
    if (blocked_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_;
  bool blocked_ = false;
};

double MicrosSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// What the current exception means, as a status that needs no memory when there is none.
absl::Status StatusOfException() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return absl::Status(absl::StatusCode::kResourceExhausted, "");
  } catch (const std::exception&) {
    return absl::Status(absl::StatusCode::kInternal, "");
  } catch (...) {
    return absl::Status(absl::StatusCode::kUnknown, "");
  }
}

}  // namespace

absl::Status UnhealthyError(std::string_view message) { return backend::DeviceLostError(message); }

bool IsUnhealthy(const absl::Status& status) { return backend::IsDeviceLost(status); }

EngineCore::EngineCore(std::shared_ptr<ModelSource> source, EngineOptions options,
                       EngineAccounts accounts)
    : accounts_(std::move(accounts)),
      source_(std::move(source)),
      options_(std::move(options)),
      log_(options_.log_level),
      ready_(std::make_shared<ReadySignal>()),
      pacer_(options_.tpot_target_us, options_.step_tokens) {}

EngineCore::~EngineCore() { Close(); }

absl::Status EngineCore::Start() {
  const ScopedSignalBlock block;
  try {
    thread_ = std::thread([this] { ThreadMain(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the engine's thread could not be started: ", error.what(),
                     "; end other threads or raise the process' limit"));
  }
  return absl::OkStatus();
}

void EngineCore::Close() {
  std::lock_guard<std::mutex> closing(close_mu_);
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_.store(true);
  }
  work_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::lock_guard<std::mutex> pumping(pump_mu_);
  std::unique_ptr<Step> step;
  std::unique_ptr<Resources> resources;
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (step_ != nullptr) step_->Abandon();
    for (const std::unique_ptr<ActiveStream>& active : active_) {
      active->stream->Finish(FinishReason::kEngineClosed, absl::OkStatus());
      active->session->in_flight = false;
    }
    active_.clear();
    load_.phase = LoadPhase::kClosed;
    load_.status = absl::Status(absl::StatusCode::kFailedPrecondition, "");  // needs no memory
    step = std::move(step_);
    resources = std::move(resources_);
  }
  load_changed_.notify_all();
  ready_->Notify();
  // The memory goes here, outside the lock.
}

void EngineCore::ThreadMain() {
  // A thread inherits the mode of the one that made it, which may be a host's.
  const numerics::ScopedFpMode fp_mode;
  const memory::ScopedHeapAccount account(accounts_.heap);
  try {
    Load();
    if (!options_.pumped) RunLoop();
  } catch (...) {
    // Load and Turn catch what work can throw. Only a broken mutex gets here, and must not end the
    // host's process.
  }
}

void EngineCore::Load() {
  std::unique_ptr<Resources> resources;
  std::unique_ptr<Step> step;
  absl::Status status;
  try {
    absl::StatusOr<std::unique_ptr<Resources>> loaded = LoadResources(
        *source_, options_, log_,
        [this](float fraction) {
          std::lock_guard<std::mutex> lock(mu_);
          load_.phase = LoadPhase::kWeights;
          load_.fraction = fraction;
          return !stopping_.load() && !load_cancelled_.load();
        },
        accounts_);
    status = loaded.status();
    if (loaded.ok()) {
      resources = *std::move(loaded);
      step = std::make_unique<Step>(*resources);
    }
  } catch (...) {
    status = StatusOfException();
  }
  if (!status.ok()) {
    log_.Add(LogLevel::kError, [&] { return absl::StrCat("the load failed: ", status.message()); });
  }
  std::unique_lock<std::mutex> lock(mu_);
  load_.phase = status.ok() ? LoadPhase::kReady : LoadPhase::kFailed;
  load_.status = status;
  if (status.ok()) {
    load_.fraction = 1;
    resources_ = std::move(resources);
    step_ = std::move(step);
  }
  load_changed_.notify_all();
}

bool EngineCore::Interrupted() const {
  return stopping_.load(std::memory_order_relaxed) ||
         cancel_asked_.load(std::memory_order_relaxed) || arrived_.load(std::memory_order_relaxed);
}

bool EngineCore::HasWork() const {
  return std::any_of(active_.begin(), active_.end(), [](const auto& active) {
    return !active->paused || active->stream->cancelled() || active->stream->MayRun(active->paused);
  });
}

void EngineCore::RunLoop() {
  while (!stopping_.load()) {
    if (Turn(kOwnThreadSliceUs, [this] { return Interrupted(); })) continue;
    std::unique_lock<std::mutex> lock(mu_);
    if (resources_ == nullptr) return;  // the load failed: nothing will ever run
    work_changed_.wait(lock, [this] { return stopping_.load() || HasWork(); });
  }
}

bool EngineCore::Turn(int64_t slice_us, absl::FunctionRef<bool()> stop) {
  try {
    return TurnUnguarded(slice_us, stop);
  } catch (...) {
    FailStep(StatusOfException());
    return true;
  }
}

bool EngineCore::TurnUnguarded(int64_t slice_us, absl::FunctionRef<bool()> stop) {
  if (!BeginTurn()) return false;
  absl::StatusOr<bool> done = step_->Run(slice_us, stop);
  if (!done.ok()) {
    FailStep(done.status());
  } else if (*done) {
    CommitStep();
  }
  return true;
}

bool EngineCore::BeginTurn() {
  std::lock_guard<std::mutex> lock(mu_);
  if (resources_ == nullptr || stopping_.load()) return false;
  if (cancel_asked_.exchange(false)) {
    if (step_->in_flight()) {
      step_->DropCancelled();
      if (!step_->in_flight()) AddStepTimes();
    }
    Reap();
  } else if (step_->in_flight() && arrived_.exchange(false)) {
    ShortenForArrivals();
  }
  if (step_->in_flight()) return true;
  const Clock::time_point start = Clock::now();
  arrived_.store(false);
  Reap();
  PauseAndResume();
  absl::StatusOr<bool> planned = step_->Plan(pacer_.PrefillRows());
  totals_.plan_us += MicrosSince(start);
  if (planned.ok()) return *planned;
  FailStepLocked(planned.status());
  return false;
}

void EngineCore::AddStepTimes() {
  totals_.pass_us += step_->pass_us();
  totals_.draw_us += step_->draw_us();
  totals_.draft_us += step_->draft_us();
}

void EngineCore::ShortenForArrivals() {
  // A newcomer waits for the end of this step. Prompts whose rows would make that long give some
  // up, but keep enough to move: the rows given up are computed in a later step, once more as far
  // as they had come.
  if (pacer_.target_us() == 0) return;
  const double left = 1.0 - step_->Progress();
  if (left <= 0) return;
  const int64_t rows = pacer_.RowsIn(static_cast<double>(pacer_.target_us()) / left);
  if (rows < step_->prompt_rows()) {
    step_->TrimPrompts(std::max(rows, scheduler::kPrefillRowsMin));
  }
}

void EngineCore::PauseAndResume() {
  scheduler::Scheduler& scheduler = *resources_->scheduler;
  for (const std::unique_ptr<ActiveStream>& active : active_) {
    const bool full = !active->stream->MayRun(active->paused);
    if (full != active->paused) {
      active->paused = full;
      if (full) {
        scheduler.Remove(*active);
      } else {
        scheduler.Enqueue(*active);
      }
    }
    if (active->state != scheduler::RequestState::kRunning) {
      active->TellProgress(full ? Phase::kPaused : Phase::kQueued);
    }
  }
}

void EngineCore::CommitStep() {
  std::lock_guard<std::mutex> lock(mu_);
  const Clock::time_point start = Clock::now();
  if (step_->whole()) {
    const double us = step_->pass_us() + step_->draw_us();
    pacer_.Observe(step_->decode_rows(), step_->prompt_rows(), us);
    if (resources_->drafting != nullptr && !options_.free_drafts && step_->prompt_rows() == 0) {
      resources_->drafting->LearnCost(step_->num_rows(), us);
    }
  }
  ++totals_.steps;
  totals_.rows += step_->num_rows();
  AddStepTimes();
  const int64_t prompt_rows = step_->prompt_rows();
  const StepCounts counts = step_->Commit();
  totals_.prefilled += counts.prefilled;
  totals_.generated += counts.generated;
  totals_.drafted += counts.drafted;
  totals_.accepted += counts.accepted;
  const kv::BlockPool& pool = resources_->paged->pool();
  totals_.kv_slots += int64_t{pool.num_blocks() - pool.num_free()} * options_.block_size;
  totals_.kv_tokens += pool.tokens_stored();
  log_.Add(LogLevel::kDebug, [&] {
    return absl::StrCat("step ", totals_.steps, ": ", step_->num_rows(), " rows, ", prompt_rows,
                        " of prompts, ", counts.drafted, " of drafts, of which ", counts.accepted,
                        " are said; drafting ", static_cast<int64_t>(step_->draft_us()), ", pass ",
                        static_cast<int64_t>(step_->pass_us()), ", draws ",
                        static_cast<int64_t>(step_->draw_us()), " us");
  });
  Reap();
  totals_.commit_us += MicrosSince(start);
}

void EngineCore::FailStep(const absl::Status& status) {
  std::lock_guard<std::mutex> lock(mu_);
  FailStepLocked(status);
}

void EngineCore::FailStepLocked(const absl::Status& status) {
  if (IsUnhealthy(status)) health_ = status;
  // A failure that came before any stream was picked would come again, and nothing runs any more on
  // a device that failed: then all streams end, not only those of the step.
  const bool all = !step_->in_flight() || !health_.ok();
  if (step_->in_flight()) {
    AddStepTimes();
    step_->Fail(status);
  }
  if (all) {
    for (const auto& active : active_) active->stream->Finish(FinishReason::kError, status);
  }
  Reap();
}

void EngineCore::Reap() {
  for (std::unique_ptr<ActiveStream>& active : active_) {
    // A stream with rows in the step in flight leaves that first.
    if (active->stream->cancelled() && !active->in_step) {
      active->stream->Finish(FinishReason::kCancelled, absl::OkStatus());
    }
    if (active->stream->finished()) Retire(*active);
  }
  active_.erase(std::remove_if(active_.begin(), active_.end(),
                               [](const auto& active) { return !active->session->in_flight; }),
                active_.end());
}

void EngineCore::Retire(ActiveStream& active) {
  SessionState& session = *active.session;
  const StreamInfo info = active.stream->Info();
  if (info.finish_reason == FinishReason::kError) {
    log_.Add(LogLevel::kError,
             [&] { return absl::StrCat("a stream failed: ", info.status.message()); });
  }
  resources_->scheduler->Remove(active);
  active.TellProgress(Phase::kFinished);
  session.in_flight = false;
  if (session.abandoned) resources_->paged->Clear(session.sequence);
}

void EngineCore::WakeToCancel() {
  {
    // What waits in line or is paused needs no step to end: a host that pumps may have stopped.
    std::lock_guard<std::mutex> lock(mu_);
    if (resources_ != nullptr && !stopping_.load()) Reap();
    cancel_asked_.exchange(true);
  }
  work_changed_.notify_all();
}

void EngineCore::Wake() {
  // Taking the lock orders the change before the loop's next look at it.
  { std::lock_guard<std::mutex> lock(mu_); }
  work_changed_.notify_all();
}

absl::StatusOr<StepInfo> EngineCore::StepFor(int64_t max_us) {
  if (!options_.pumped) {
    return absl::FailedPreconditionError(
        "the engine runs on its own thread; set LLMRT_ENGINE_PUMPED to pump it");
  }
  // Who pumps in a tight loop would otherwise keep Close from ever getting the pump.
  if (stopping_.load()) {
    return absl::FailedPreconditionError("the engine is closed; create another");
  }
  std::unique_lock<std::mutex> pumping(pump_mu_, std::try_to_lock);
  if (!pumping.owns_lock()) {
    if (stopping_.load())
      return absl::FailedPreconditionError("the engine is closed; create another");
    return absl::UnavailableError("another thread is pumping the engine; let it");
  }
  int64_t tokens_before = 0;
  {
    std::lock_guard<std::mutex> lock(mu_);
    absl::Status status = CheckReady();
    if (!status.ok()) return status;
    tokens_before = totals_.generated;
  }
  const int64_t slice_us = PumpedSliceUs(max_us);
  const Clock::time_point start = Clock::now();
  const auto elapsed_us = [start] {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
  };
  const auto out_of_time = [&] { return max_us >= 0 && elapsed_us() >= max_us; };
  StepInfo info;
  do {
    info.work_remains = Turn(slice_us, [&] { return out_of_time() || Interrupted(); });
  } while (info.work_remains && !out_of_time() && !stopping_.load());
  info.elapsed_us = elapsed_us();
  std::lock_guard<std::mutex> lock(mu_);
  info.tokens_committed = totals_.generated - tokens_before;
  info.work_remains = HasWork();
  return info;
}

}  // namespace llmrt::engine
