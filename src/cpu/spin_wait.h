// Waiting without sleeping, for spans shorter than waking a thread takes (5 to 50 microseconds).
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

namespace llmrt::cpu {

class SpinWait {
 public:
  // One step: a processor pause at first; once expired, the rest of the time slice is given away,
  // so that a waiting thread cannot keep the one it waits for off its core.
  void Once() {
    if (expired_) {
      std::this_thread::yield();
      return;
    }
    for (int i = 0; i < kPauses; ++i) Pause();
    expired_ = std::chrono::steady_clock::now() - start_ > kSpinTime;
  }
  bool expired() const { return expired_; }

 private:
  static constexpr int kPauses = 16;
  // About the gap between two ops of a step while the caller prepares the next one.
  static constexpr std::chrono::microseconds kSpinTime{40};

  static void Pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool expired_ = false;
};

}  // namespace llmrt::cpu
