// The processor's floating-point mode (NUMERICS E). Hosts change it: games flush denormals or round
// differently. Every entry point and worker thread of the library holds a ScopedFpMode while it
// computes.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace llmrt::numerics {

// Sets, for this thread: round to nearest even, denormal inputs and results flushed to zero, all
// exceptions masked. Restores what was there, sticky exception flags included. Elsewhere than on
// x86-64 and AArch64 it does nothing.
class ScopedFpMode {
 public:
  ScopedFpMode() : saved_(Read()) { Write(kComputeMode); }
  ~ScopedFpMode() { Write(saved_); }
  ScopedFpMode(const ScopedFpMode&) = delete;
  ScopedFpMode& operator=(const ScopedFpMode&) = delete;

#if defined(__x86_64__) || defined(_M_X64)
  // MXCSR: bits 7-12 mask the exceptions, bit 6 is denormals-are-zero, bit 15 flush-to-zero, bits
  // 13-14 rounding.
  static constexpr uint64_t kComputeMode = 0x1f80 | 0x0040 | 0x8000;
  static uint64_t Read() { return _mm_getcsr(); }
  static void Write(uint64_t mode) { _mm_setcsr(static_cast<uint32_t>(mode)); }
#elif defined(__aarch64__)
  // FPCR: bit 24 is flush-to-zero (inputs and results), bits 22-23 rounding, bits 8-15 trap
  // enables.
  static constexpr uint64_t kComputeMode = uint64_t{1} << 24;
  static uint64_t Read() {
    uint64_t mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void Write(uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
  static constexpr uint64_t kComputeMode = 0;
  static uint64_t Read() { return 0; }
  static void Write(uint64_t) {}
#endif

 private:
  uint64_t saved_;
};

}  // namespace llmrt::numerics
