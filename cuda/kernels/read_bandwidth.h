// Reads memory and keeps almost nothing of it: what reading alone can reach on this device.
#pragma once

#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

// Thread i of the grid adds up words i, i + threads, ... of 16 bytes, and stores the sum (which
// keeps the reads from being left out) where it equals 1: what callers fill the data with makes it
// never.
struct ReadBandwidthArgs {
  const uint8_t* data;
  int64_t words;  // of 16 bytes
  uint32_t* out;  // [1]
};
constexpr uint32_t kReadBandwidthThreads = 512;

}  // namespace llmrt::cuda
