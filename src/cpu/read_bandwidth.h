// How fast all threads together read memory: the floor under every token's time.
#pragma once

#include <cstdint>

#include "cpu/thread_pool.h"
#include "memory/large_buffer.h"

namespace llmrt::cpu {

// Bytes to read so that memory is measured and not a cache of `cache_bytes`: four times the cache,
// at least 32 MiB. A pass in ascending order then finds at most the last quarter of the pass before
// it in the cache, and nothing at all in one that drops what was used longest ago. 0, which means
// that nothing can be measured, where the cache is unknown (0), or where so much is above 2 GiB or
// above a quarter of `available_bytes`.
int64_t BandwidthBufferBytes(int64_t cache_bytes, int64_t available_bytes);

// Reads a temporary buffer of that size, taken from `memory` as workspace and given back, for about
// 50 ms and at least once. Bytes per second; 0 if unknown: no size will do, `memory` has no room,
// or a pass is not done 2 s after the start. Writing the buffer first, which is what makes its
// pages, takes the longest: for a cache of 32 MiB and two cores the whole is 0.1 s, 0.4 s on a busy
// machine.
double MeasureReadBandwidth(ThreadPool& pool, memory::LargeMemory& memory);

}  // namespace llmrt::cpu
