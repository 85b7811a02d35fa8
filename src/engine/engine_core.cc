#include "engine/engine_core.h"

#include <signal.h>

#include <algorithm>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "memory/counted_heap.h"
#include "numerics/fp_mode.h"

namespace llmrt::engine {
namespace {

using Clock = std::chrono::steady_clock;

// Cost of a slice for each thread, in the forward pass' unit (a core does about 10 to 20 thousand a
// microsecond): between two slices the loop looks at the clock, at cancelled streams and at
// closing.
constexpr int64_t kPumpedSliceCost = int64_t{1} << 20;
constexpr int64_t kOwnThreadSliceCost = int64_t{1} << 24;

constexpr char kUnhealthyPayload[] = "llmrt/unhealthy";

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

absl::Status UnhealthyError(std::string_view message) {
  absl::Status status = absl::InternalError(message);
  status.SetPayload(kUnhealthyPayload, absl::Cord());
  return status;
}

bool IsUnhealthy(const absl::Status& status) {
  return status.GetPayload(kUnhealthyPayload).has_value();
}

EngineCore::EngineCore(std::shared_ptr<ModelSource> source, EngineOptions options)
    : source_(std::move(source)),
      options_(std::move(options)),
      log_(options_.log_level),
      ready_(std::make_shared<ReadySignal>()) {}

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
    for (ActiveStream& active : active_) {
      active.stream->Finish(FinishReason::kEngineClosed, absl::OkStatus());
      active.session->in_flight = false;
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
  Load();
  if (!options_.pumped) RunLoop();
}

void EngineCore::Load() {
  std::unique_ptr<Resources> resources;
  std::unique_ptr<Step> step;
  absl::Status status;
  try {
    absl::StatusOr<std::unique_ptr<Resources>> loaded =
        LoadResources(*source_, options_, log_, [this](float fraction) {
          std::lock_guard<std::mutex> lock(mu_);
          load_.phase = LoadPhase::kWeights;
          load_.fraction = fraction;
          return !stopping_.load() && !load_cancelled_.load();
        });
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

void EngineCore::RunLoop() {
  while (!stopping_.load()) {
    const int64_t cost = resources_ != nullptr ? kOwnThreadSliceCost * threads() : 1;
    const bool worked = Turn(
        cost, [this] { return stopping_.load(std::memory_order_relaxed) || step_->Unwanted(); });
    if (worked) continue;
    std::unique_lock<std::mutex> lock(mu_);
    if (resources_ == nullptr) return;  // the load failed: nothing will ever run
    work_changed_.wait(lock, [this] {
      return stopping_.load() ||
             std::any_of(active_.begin(), active_.end(), [](const ActiveStream& active) {
               return active.stream->cancelled() || !active.stream->QueueIsFull();
             });
    });
  }
}

bool EngineCore::Turn(int64_t slice_cost, absl::FunctionRef<bool()> stop) {
  try {
    return TurnUnguarded(slice_cost, stop);
  } catch (...) {
    FailStep(StatusOfException());
    return true;
  }
}

bool EngineCore::TurnUnguarded(int64_t slice_cost, absl::FunctionRef<bool()> stop) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (resources_ == nullptr || stopping_.load()) return false;
    if (step_->in_flight() && step_->Unwanted()) step_->Abandon();
    if (!step_->in_flight()) {
      Reap();
      absl::StatusOr<bool> planned = step_->Plan(active_);
      if (!planned.ok()) step_->Fail(planned.status());
      // Streams that ended while planning left room for others.
      const bool some_ended = Reap();
      if (!planned.ok()) return true;
      if (!*planned) return some_ended;
    }
  }
  absl::StatusOr<bool> done = step_->Run(slice_cost, stop);
  if (!done.ok()) {
    FailStep(done.status());
    return true;
  }
  if (!*done) return true;
  std::lock_guard<std::mutex> lock(mu_);
  const StepCounts counts = step_->Commit();
  ++steps_;
  totals_.prefilled += counts.prefilled;
  totals_.generated += counts.generated;
  Reap();
  return true;
}

void EngineCore::FailStep(const absl::Status& status) {
  std::lock_guard<std::mutex> lock(mu_);
  if (IsUnhealthy(status)) health_ = status;
  if (step_->in_flight()) {
    step_->Fail(status);
  } else {
    // The failure came before any stream was picked, and would come again.
    for (ActiveStream& active : active_) active.stream->Finish(FinishReason::kError, status);
  }
  Reap();
}

bool EngineCore::Reap() {
  const size_t before = active_.size();
  for (ActiveStream& active : active_) {
    if (active.stream->cancelled()) {
      active.stream->Finish(FinishReason::kCancelled, absl::OkStatus());
    }
    if (active.stream->Info().phase == Phase::kFinished) Retire(active);
  }
  active_.erase(std::remove_if(active_.begin(), active_.end(),
                               [](const ActiveStream& active) { return !active.stream; }),
                active_.end());
  return active_.size() < before;
}

void EngineCore::Retire(ActiveStream& active) {
  SessionState& session = *active.session;
  const StreamInfo info = active.stream->Info();
  if (info.finish_reason == FinishReason::kError) {
    log_.Add(LogLevel::kError,
             [&] { return absl::StrCat("a stream failed: ", info.status.message()); });
  }
  session.in_flight = false;
  if (session.abandoned) session.table.Truncate(0, *resources_->pool);
  active.stream.reset();
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
  std::unique_lock<std::mutex> pumping(pump_mu_, std::try_to_lock);
  if (!pumping.owns_lock()) {
    return absl::UnavailableError("another thread is pumping the engine; let it");
  }
  int64_t tokens_before = 0;
  int64_t cost = 0;
  {
    std::lock_guard<std::mutex> lock(mu_);
    absl::Status status = CheckReady();
    if (!status.ok()) return status;
    tokens_before = totals_.generated;
    cost = kPumpedSliceCost * threads();
  }
  const Clock::time_point start = Clock::now();
  const auto elapsed_us = [start] {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
  };
  const auto out_of_time = [&] { return max_us >= 0 && elapsed_us() >= max_us; };
  StepInfo info;
  do {
    info.work_remains = Turn(cost, [&] {
      return out_of_time() || stopping_.load(std::memory_order_relaxed) || step_->Unwanted();
    });
  } while (info.work_remains && !out_of_time() && !stopping_.load());
  info.elapsed_us = elapsed_us();
  std::lock_guard<std::mutex> lock(mu_);
  info.tokens_committed = totals_.generated - tokens_before;
  info.work_remains = info.work_remains && !active_.empty();
  return info;
}

}  // namespace llmrt::engine
