// The threads of one CPU backend. A backend's ops are short (tens of microseconds) and follow each
// other closely, so workers spin for a moment before they sleep; a worker that has not woken up in
// time is not waited for, so one busy core slows a step by its share instead of stopping it.
//
// The workers are threads of our own or, with a job hook, jobs that the host runs on threads of its
// own: those join while runs follow each other and leave instead of sleeping (cpu/job_seats.h).
//
// Which worker runs which task never changes a bit: tasks write disjoint results.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/create_backend.h"
#include "cpu/job_seats.h"

namespace llmrt::cpu {

// Tasks a thread gets from one run of much work: enough to even out threads that were interrupted.
inline constexpr int64_t kTasksPerThread = 8;

class ThreadPool {
 public:
  // Called once a task; `worker` is in [0, threads) and belongs to one thread at a time, so it may
  // index scratch memory.
  using Task = absl::FunctionRef<void(int64_t task, int32_t worker)>;

  // `threads` counts the caller of Run, so threads - 1 are started, with every signal blocked.
  // RESOURCE_EXHAUSTED if the system refuses one; those already started have then ended.
  // With a hook no thread is started and at most threads - 1 jobs are out.
  static absl::StatusOr<std::unique_ptr<ThreadPool>> Create(int32_t threads,
                                                            const backend::JobHook& hook = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t threads() const { return threads_; }

  // Runs tasks 0 to num_tasks - 1, each once, in any order, on the caller (worker 0) and the
  // workers; returns when all are done. One caller at a time. An exception in a task, on whichever
  // thread, becomes INTERNAL (RESOURCE_EXHAUSTED for bad_alloc); tasks not yet begun are then
  // skipped.
  absl::Status Run(int64_t num_tasks, Task task);

 private:
  enum class Failure : uint8_t { kNone = 0, kException, kMemory };

  explicit ThreadPool(int32_t threads) : threads_(threads) {}
  absl::Status Start(int32_t count);
  void WorkerMain(int32_t worker);
  // A host's job: helps until no run has come for the spin time; with the open run only, where the
  // host runs it inside the call that asked for it.
  void Help(int32_t worker);
  void FillSeats();
  void JoinRun(int32_t worker, uint32_t& seen);
  // Spins until there is a run newer than `seen` or the pool ends; false when the time is over.
  bool SpinForRun(uint32_t seen) const;
  // Waits for a run newer than `seen`, spinning first; false when the pool ends.
  bool WaitForRun(uint32_t seen);
  // Joins the open run and returns its number, or returns `seen` if it closed meanwhile.
  uint32_t TryJoin(uint32_t seen);
  // Claims and runs tasks until none is left.
  void RunTasks(int32_t worker);
  bool IsNews(uint64_t state, uint32_t seen) const;

  // number of the run << 32 | open << 31 | workers inside. A worker enters only while the run is
  // open, and Run returns only when it is closed and empty: so what a run borrows from its caller's
  // stack is never touched later, and late sleepers hold nobody up.
  std::atomic<uint64_t> state_{0};
  std::atomic<bool> stop_{false};

  // Written by Run before it opens the run.
  const Task* task_ = nullptr;
  int64_t num_tasks_ = 0;
  alignas(64) std::atomic<int64_t> next_task_{0};
  alignas(64) std::atomic<Failure> failure_{Failure::kNone};

  std::mutex mutex_;  // guards sleeping and waking only
  std::condition_variable wake_;
  std::atomic<int32_t> sleepers_{0};
  const int32_t threads_;
  std::vector<std::thread> workers_;
  std::unique_ptr<JobSeats> seats_;        // instead of workers_
  std::atomic<std::thread::id> filler_{};  // the thread inside FillSeats
};

}  // namespace llmrt::cpu
