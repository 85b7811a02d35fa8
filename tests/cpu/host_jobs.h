// Job systems as hosts have them: good, slow, lazy and unwilling ones.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "backend/create_backend.h"

namespace llmrt::cpu {

class HostJobs {
 public:
  enum class Manner { kSoon, kLate, kNever, kRefuses, kInline };

  explicit HostJobs(Manner manner, int num_threads = 3) : manner_(manner) {
    for (int i = 0; i < num_threads; ++i) threads_.emplace_back([this, i] { Main(i); });
  }
  // Jobs that were never run are run now, if RunTheRest has not done it: it frees their contexts.
  ~HostJobs() {
    RunTheRest();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  backend::JobHook hook() { return {.submit = Submit, .user = this}; }
  int submitted() const { return submitted_; }
  int finished() const { return finished_; }
  int waiting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<int>(jobs_.size());
  }

  void RunTheRest() {
    for (;;) {
      Job job;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (jobs_.empty()) return;
        job = jobs_.front();
        jobs_.pop_front();
      }
      Call(job);
    }
  }

 private:
  using Job = std::pair<void (*)(void*), void*>;

  static int32_t Submit(void* user, void (*function)(void*), void* context) {
    auto* self = static_cast<HostJobs*>(user);
    if (self->manner_ == Manner::kRefuses) return 1;
    ++self->submitted_;
    if (self->manner_ == Manner::kInline) {
      self->Call({function, context});
      return 0;
    }
    {
      const std::lock_guard<std::mutex> lock(self->mutex_);
      self->jobs_.emplace_back(function, context);
    }
    self->wake_.notify_one();
    return 0;
  }

  void Main(int index) {
    std::minstd_rand random(static_cast<uint32_t>(index + 1));
    for (;;) {
      Job job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock,
                   [this] { return ending_ || (manner_ != Manner::kNever && !jobs_.empty()); });
        if (jobs_.empty()) return;
        job = jobs_.front();
        jobs_.pop_front();
      }
      if (manner_ == Manner::kLate) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 400));
      }
      Call(job);
    }
  }

  void Call(const Job& job) {
    job.first(job.second);
    ++finished_;
  }

  const Manner manner_;
  std::atomic<int> submitted_{0};
  std::atomic<int> finished_{0};
  std::mutex mutex_;  // guards jobs_ and ending_
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

inline constexpr HostJobs::Manner kAllManners[] = {
    HostJobs::Manner::kSoon, HostJobs::Manner::kLate, HostJobs::Manner::kNever,
    HostJobs::Manner::kRefuses, HostJobs::Manner::kInline};

}  // namespace llmrt::cpu
