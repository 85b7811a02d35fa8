#include "cpu/thread_pool.h"

#include <csignal>
#include <new>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "cpu/spin_wait.h"
#include "numerics/fp_mode.h"

namespace llmrt::cpu {
namespace {

constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kInside = kOpen - 1;  // mask of the count of workers inside

constexpr uint32_t RunNumber(uint64_t state) { return static_cast<uint32_t>(state >> 32); }

// Blocks every signal of this thread while it lives: a thread inherits the mask of its maker, and
// the host's handlers must run on the host's threads.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~ScopedSignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ThreadPool>> ThreadPool::Create(int32_t threads,
                                                               const backend::JobHook& hook) {
  constexpr int32_t kThreadsMax = 1024;
  if (threads < 1 || threads > kThreadsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(threads, " threads; ask for 1 to ", kThreadsMax));
  }
  std::unique_ptr<ThreadPool> pool(new ThreadPool(threads));
  if (hook.submit != nullptr) {
    ThreadPool* const raw = pool.get();  // Close, in its destructor, waits for who is inside
    pool->seats_ =
        JobSeats::Create(threads - 1, hook, [raw](int32_t seat) { raw->Help(seat + 1); });
    return pool;
  }
  if (absl::Status status = pool->Start(threads - 1); !status.ok()) return status;
  return pool;
}

absl::Status ThreadPool::Start(int32_t count) {
  workers_.reserve(count);
  ScopedSignalBlock block;
  for (int32_t i = 0; i < count; ++i) {
    try {
      workers_.emplace_back([this, i] { WorkerMain(i + 1); });
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(absl::StrCat("the system refused thread ", i + 2, " of ",
                                                       count + 1, " (error ", error.code().value(),
                                                       "); ask for fewer threads"));
    }
  }
  return absl::OkStatus();
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true, std::memory_order_seq_cst);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  seats_.reset();
}

absl::Status ThreadPool::Run(int64_t num_tasks, Task task) {
  if (num_tasks <= 0) return absl::OkStatus();
  task_ = &task;
  num_tasks_ = num_tasks;
  next_task_.store(0, std::memory_order_relaxed);
  failure_.store(Failure::kNone, std::memory_order_relaxed);

  // One task needs no helper.
  const bool shared = num_tasks > 1 && threads_ > 1;
  if (shared) {
    const uint64_t number = RunNumber(state_.load(std::memory_order_relaxed)) + uint64_t{1};
    state_.store(number << 32 | kOpen, std::memory_order_seq_cst);
    if (seats_ != nullptr) FillSeats();
    // Sequentially consistent with the sleeper's increment: either it sees the new run or we see
    // it.
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      { std::lock_guard<std::mutex> lock(mutex_); }
      wake_.notify_all();
    }
  }
  RunTasks(0);
  if (shared) {
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    // Acquire: the results of the workers' tasks are visible to the caller afterwards.
    SpinWait wait;
    while ((state_.load(std::memory_order_acquire) & kInside) != 0) wait.Once();
  }
  switch (failure_.load(std::memory_order_relaxed)) {
    case Failure::kNone:
      return absl::OkStatus();
    case Failure::kMemory:
      return absl::ResourceExhaustedError("no memory inside a CPU task; free some and try again");
    case Failure::kException:
      break;
  }
  return absl::InternalError("an exception left a CPU task");
}

void ThreadPool::RunTasks(int32_t worker) {
  Failure failure = Failure::kNone;
  try {
    for (;;) {
      const int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
      if (task >= num_tasks_) return;
      (*task_)(task, worker);
    }
  } catch (const std::bad_alloc&) {
    failure = Failure::kMemory;
  } catch (...) {
    failure = Failure::kException;
  }
  failure_.store(failure, std::memory_order_relaxed);
  next_task_.store(num_tasks_, std::memory_order_relaxed);
}

bool ThreadPool::IsNews(uint64_t state, uint32_t seen) const {
  return ((state & kOpen) != 0 && RunNumber(state) != seen) ||
         stop_.load(std::memory_order_relaxed);
}

bool ThreadPool::SpinForRun(uint32_t seen) const {
  SpinWait wait;
  while (!wait.expired()) {
    if (IsNews(state_.load(std::memory_order_acquire), seen)) return true;
    wait.Once();
  }
  return false;
}

bool ThreadPool::WaitForRun(uint32_t seen) {
  if (SpinForRun(seen)) return !stop_.load(std::memory_order_relaxed);
  std::unique_lock<std::mutex> lock(mutex_);
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  wake_.wait(lock, [&] { return IsNews(state_.load(std::memory_order_seq_cst), seen); });
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
  return !stop_.load(std::memory_order_relaxed);
}

uint32_t ThreadPool::TryJoin(uint32_t seen) {
  uint64_t state = state_.load(std::memory_order_acquire);
  while ((state & kOpen) != 0 && RunNumber(state) != seen) {
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) {
      return RunNumber(state);
    }
  }
  return seen;
}

void ThreadPool::WorkerMain(int32_t worker) {
  // The mode is a thread's own: tasks compute as the caller's thread does.
  numerics::ScopedFpMode fp_mode;
  uint32_t seen = 0;
  try {
    while (WaitForRun(seen)) JoinRun(worker, seen);
  } catch (...) {
    // Only a broken mutex gets here. The others do this worker's share: nobody waits for it.
  }
}

void ThreadPool::Help(int32_t worker) {
  // Scoped: the thread is the host's and gets its mode back.
  numerics::ScopedFpMode fp_mode;
  uint32_t seen = 0;
  // Inside FillSeats on its very thread the next run cannot come while this one waits for it.
  if (filler_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    return JoinRun(worker, seen);
  }
  while (SpinForRun(seen) && !stop_.load(std::memory_order_relaxed)) JoinRun(worker, seen);
}

void ThreadPool::FillSeats() {
  // Relaxed: only the thread that wrote its own number must read it.
  filler_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  seats_->Fill();
  filler_.store(std::thread::id(), std::memory_order_relaxed);
}

void ThreadPool::JoinRun(int32_t worker, uint32_t& seen) {
  const uint32_t joined = TryJoin(seen);
  if (joined == seen) return;
  seen = joined;
  RunTasks(worker);
  state_.fetch_sub(1, std::memory_order_release);
}

}  // namespace llmrt::cpu
