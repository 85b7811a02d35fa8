// Failing calls of the shared library from outside it: this program defines malloc, mmap, pread and
// pthread_create itself, tells by the return address whether the library called, and fails the call
// that a test has picked. The library has no hook for it and does not know.
#pragma once

#include <cstdint>
#include <vector>

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

// Where in the library a call comes from: a hash of the return addresses on its stack that lie in
// the library. Two allocations by one line of a container have two places if two functions use it.
using Place = uint64_t;

// From now on, until the next Arm, the place of every counted call of `site` is noted, in order.
void NotePlaces(Site site);
std::vector<Place> NotedPlaces();
// As Arm, but call number `n` of those from `place` fails.
void ArmAt(Site site, Place place, int64_t n);
// The place of the call that was failed last; 0: none since Arm.
Place FiredPlace();

// Allocations that the library has made and not given back.
int64_t LiveAllocations();

}  // namespace llmrt::faults
