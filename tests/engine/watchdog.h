// For tests with many threads: a hang ends as a report of what every thread was about, instead of
// as a test that was killed from outside and says nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace llmrt::testing {

class Watchdog {
 public:
  // Far longer than the work takes under any sanitizer on a busy machine.
  explicit Watchdog(int threads, std::chrono::seconds limit = std::chrono::seconds(400))
      : doing_(static_cast<size_t>(threads)), thread_([this, limit] { Watch(limit); }) {}
  ~Watchdog() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // What thread `t` is about now; a literal.
  void Note(int t, const char* doing) {
    doing_[static_cast<size_t>(t)].store(doing, std::memory_order_relaxed);
  }

 private:
  void Watch(std::chrono::seconds limit) {
    std::unique_lock<std::mutex> lock(mu_);
    if (changed_.wait_for(lock, limit, [this] { return done_; })) return;
    for (size_t t = 0; t < doing_.size(); ++t) {
      const char* doing = doing_[t].load(std::memory_order_relaxed);
      std::fprintf(stderr, "after %d s thread %zu is at: %s\n", static_cast<int>(limit.count()), t,
                   doing == nullptr ? "nothing" : doing);
    }
    std::fflush(stderr);
    std::abort();
  }

  std::vector<std::atomic<const char*>> doing_;
  std::mutex mu_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace llmrt::testing
