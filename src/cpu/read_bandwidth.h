// How fast all threads together read memory: the floor under every token's time. It depends on how
// one reads, so it is measured in several ways, and the best of them is the ceiling: one run of
// addresses a thread leaves the memory's channels idle, several that lie far apart do not.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "cpu/thread_pool.h"
#include "memory/large_buffer.h"

namespace llmrt::cpu {

// How one thread walks through memory.
struct ReadPattern {
  int32_t streams = 1;    // runs of ascending addresses, far apart, that it follows at once
  bool prefetch = false;  // asks for the line 2 KiB ahead in each before it reads a line
};

struct ReadRate {
  ReadPattern pattern;
  double bytes_per_second = 0;  // of all threads together; the best of its turns
};

// Bytes to read so that memory is measured and not a cache of `cache_bytes`: four times the cache,
// at least 32 MiB. A pass in ascending order then finds at most the last quarter of the pass before
// it in the cache, and nothing at all in one that drops what was used longest ago. 0, which means
// that nothing can be measured, where the cache is unknown (0), or where so much is above 2 GiB or
// above a quarter of `available_bytes`.
int64_t BandwidthBufferBytes(int64_t cache_bytes, int64_t available_bytes);

// 1, 4, 8 and 16 streams, each without and with prefetches. They take turns with the parts of a
// temporary buffer of that size, pass after pass for about `duration`, at least one. The buffer
// comes from `memory` as workspace and is given back. Empty if unknown: no size will do, `memory`
// has no room, or the first pass is not over 2 s after the start. Writing the buffer first, which
// is what makes its pages, takes the longest.
std::vector<ReadRate> MeasureReadRates(ThreadPool& pool, memory::LargeMemory& memory,
                                       std::chrono::milliseconds duration);

// The highest of these rates, measured for about 50 ms; 0 if unknown. For a cache of 32 MiB and two
// cores the whole is 0.1 s, 0.4 s on a busy machine.
double MeasureReadBandwidth(ThreadPool& pool, memory::LargeMemory& memory);

}  // namespace llmrt::cpu
