// Sums over the 16 lanes of a half-warp: the virtual lanes of numerics/lanes.h.
#pragma once

#include "cuda/device/device.h"

namespace llmrt::cuda {

inline constexpr uint32_t kHalfWarpLanes = 16;

// numerics::TreeSum16 of the half-warp's values, in each of its lanes. A lane and its partner add
// the same two numbers, so both hold what the tree's lower half holds.
LLMRT_DEVICE float HalfWarpSum(float value) {
  for (uint32_t half = kHalfWarpLanes / 2; half >= 1; half /= 2) {
    value = value + ShuffleXor(value, half);
  }
  return value;
}

// The largest of the half-warp's values, none of which may be NaN.
LLMRT_DEVICE float HalfWarpMax(float value) {
  for (uint32_t half = kHalfWarpLanes / 2; half >= 1; half /= 2) {
    const float other = ShuffleXor(value, half);
    value = value < other ? other : value;
  }
  return value;
}

}  // namespace llmrt::cuda
