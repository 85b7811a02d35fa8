// How fast all threads together read memory: the floor under every token's time.
#pragma once

#include "cpu/thread_pool.h"

namespace llmrt::cpu {

// Reads a temporary buffer (four times the last cache, 64 MB at most, outside the budget and gone
// afterwards) for about 50 ms. Bytes per second; 0 if there is no memory for it.
double MeasureReadBandwidth(ThreadPool& pool);

}  // namespace llmrt::cpu
