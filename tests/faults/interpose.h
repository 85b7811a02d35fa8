// Failing calls of the shared library from outside it: this program defines malloc, pread and
// pthread_create itself, tells by the return address whether the library called, and fails the call
// that a test has picked. The library has no hook for it and does not know.
#pragma once

#include <cstdint>

namespace llmrt::faults {

enum class Site { kAllocation, kRead, kThreadStart };
inline constexpr int kSiteCount = 3;

enum class Mode {
  kOnce,     // the n-th call fails, later ones succeed
  kForever,  // the n-th call and all after it fail
  kShort,    // kRead only: the n-th read finds the file cut off there
};

// The addresses between which calls count. Called once, with any function of the library.
void WatchLibraryOf(const void* function);

// Counts from now on and fails call number `n` (from 0; -1: none) of `site`.
void Arm(Site site, int64_t n, Mode mode);
void Disarm();

// Calls since Arm, and whether one was failed.
int64_t Calls(Site site);
bool Fired();

// Allocations that the library has made and not given back.
int64_t LiveAllocations();

}  // namespace llmrt::faults
