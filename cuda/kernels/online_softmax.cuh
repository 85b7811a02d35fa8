// The softmax of attention.h: a tile of 64 scores is added to a split, a split to the total. One
// half-warp works on one column, a (row, query head) pair; all its lanes hold the column's state.
#pragma once

#include "cuda/device/device.h"
#include "cuda/kernels/attention.h"
#include "cuda/kernels/half_warp.cuh"
#include "numerics/exact_math.h"

namespace llmrt::cuda {

inline constexpr float kMinusInfinity = -numerics::constants::kInfinity;
inline constexpr uint32_t kKeysPerLane = kAttentionTile / kHalfWarpLanes;

// The largest score of some keys and the sum of their e^(score - max).
struct SoftmaxState {
  float max = kMinusInfinity;
  float sum = 0.0f;
};

// Adds a tile whose first `visible` keys count (none, or more than there are, are possible). p[n]
// becomes the probability of key lane + 16 n. Returns alpha, by which acc is multiplied; without
// visible keys alpha is of no use and the state stays.
LLMRT_DEVICE float AddTile(SoftmaxState& state, const float* scores, int32_t visible,
                           float (&p)[kKeysPerLane]) {
  const int32_t lane = static_cast<int32_t>(ThreadIndex() % kHalfWarpLanes);
  float max = state.max;
#pragma unroll
  for (uint32_t n = 0; n < kKeysPerLane; ++n) {
    const int32_t key = lane + static_cast<int32_t>(n * kHalfWarpLanes);
    p[n] = key < visible ? Load(scores + key) : kMinusInfinity;
    max = max < p[n] ? p[n] : max;
  }
  max = HalfWarpMax(max);
  const float alpha = numerics::Exp(state.max - max);
  float lane_sum = 0.0f;
#pragma unroll
  for (uint32_t n = 0; n < kKeysPerLane; ++n) {
    const int32_t key = lane + static_cast<int32_t>(n * kHalfWarpLanes);
    p[n] = key < visible ? numerics::Exp(p[n] - max) : 0.0f;
    lane_sum = lane_sum + p[n];
  }
  const float sum = HalfWarpSum(lane_sum);
  if (visible > 0) state = {max, state.sum * alpha + sum};
  return alpha;
}

// What A and acc are multiplied with when a split is merged.
struct MergeFactors {
  float total;  // a
  float split;  // b
};

LLMRT_DEVICE MergeFactors MergeSplit(SoftmaxState& total, const SoftmaxState& split) {
  const float max = total.max < split.max ? split.max : total.max;
  const MergeFactors factors = {numerics::Exp(total.max - max), numerics::Exp(split.max - max)};
  total = {max, numerics::Fma(split.sum, factors.split, total.sum * factors.total)};
  return factors;
}

// A_i of the merged splits.
LLMRT_DEVICE float MergeValue(float total, float split, const MergeFactors& factors) {
  return numerics::Fma(split, factors.split, total * factors.total);
}

// The state of one split of one unit: acc [head_dim], m, l.
LLMRT_DEVICE float* PartialState(const AttentionArgs& args, int64_t unit, int32_t split) {
  return args.partial + (unit * args.splits_max + split) * (args.kv.head_dim + 2);
}

}  // namespace llmrt::cuda
