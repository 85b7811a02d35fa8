#include "cpu/job_seats.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace llmrt::cpu {
namespace {

// About a step's worth of parallel runs.
constexpr int32_t kRunsAfterRefusal = 256;

enum class Seat : uint8_t { kEmpty, kAsked, kTaken };

}  // namespace

// What the seats and their jobs have in common; the last of them frees it.
struct JobSeats::Shared {
  std::mutex mutex;
  std::condition_variable left;
  std::function<void(int32_t)> help;
  bool closed = false;         // guarded by mutex, as is taken
  int32_t taken = 0;           // seats whose job is inside
  std::atomic<int32_t> empty;  // seats to fill; only Fill takes from it
};

// Belongs to the seats; after Close, to the host's call of RunJob if one is still to come.
struct JobSeats::Job {
  std::shared_ptr<Shared> shared;
  int32_t index = 0;
  Seat seat = Seat::kEmpty;  // guarded by shared->mutex
};

std::unique_ptr<JobSeats> JobSeats::Create(int32_t count, const backend::JobHook& hook,
                                           std::function<void(int32_t)> help) {
  std::unique_ptr<JobSeats> seats(new JobSeats);
  seats->hook_ = hook;
  seats->shared_ = std::make_shared<Shared>();
  seats->shared_->help = std::move(help);
  seats->shared_->empty = count;
  seats->jobs_.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    seats->jobs_.push_back(new Job{.shared = seats->shared_, .index = i});
  }
  return seats;
}

void JobSeats::RunJob(void* context) {
  Job* const job = static_cast<Job*>(context);
  // The job may be freed by Close as soon as its seat is empty.
  const std::shared_ptr<Shared> shared = job->shared;
  const int32_t index = job->index;
  {
    std::unique_lock<std::mutex> lock(shared->mutex);
    if (shared->closed) {
      lock.unlock();
      delete job;
      return;
    }
    job->seat = Seat::kTaken;
    ++shared->taken;
  }
  try {
    shared->help(index);
  } catch (...) {
    // The others do this seat's share; the host's thread must not see it.
  }
  const std::lock_guard<std::mutex> lock(shared->mutex);
  job->seat = Seat::kEmpty;
  shared->empty.fetch_add(1, std::memory_order_relaxed);
  if (--shared->taken == 0) shared->left.notify_all();
}

bool JobSeats::Ask(Job& job) {
  {
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    if (job.seat != Seat::kEmpty) return true;
    job.seat = Seat::kAsked;
    shared_->empty.fetch_sub(1, std::memory_order_relaxed);
  }
  // No lock is held: the host may run the job inside the call.
  bool accepted = false;
  try {
    accepted = hook_.submit(hook_.user, RunJob, &job) == 0;
  } catch (...) {
    // A host in C++ that throws has not taken the job.
  }
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  // A job that has come and gone by now did its work while this caller waited for it, and would
  // again at the next run: such a host has no thread to lend either.
  if (accepted) return job.seat != Seat::kEmpty;
  job.seat = Seat::kEmpty;
  shared_->empty.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void JobSeats::Fill() {
  if (shared_->empty.load(std::memory_order_relaxed) == 0) return;
  if (refused_for_ > 0) {
    --refused_for_;
    return;
  }
  for (Job* job : jobs_) {
    if (Ask(*job)) continue;
    refused_for_ = kRunsAfterRefusal;
    return;
  }
}

void JobSeats::Close() {
  if (shared_ == nullptr) return;
  std::unique_lock<std::mutex> lock(shared_->mutex);
  shared_->closed = true;
  // From here on jobs that were asked for are their own: they free themselves when, and if, the
  // host runs them, which may be while this waits for those inside.
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(),
                             [](const Job* job) { return job->seat == Seat::kAsked; }),
              jobs_.end());
  shared_->left.wait(lock, [this] { return shared_->taken == 0; });
  for (Job* job : jobs_) delete job;
  jobs_.clear();
  lock.unlock();
  shared_ = nullptr;
}

}  // namespace llmrt::cpu
