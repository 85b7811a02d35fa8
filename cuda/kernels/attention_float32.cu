// Attention over a float32 cache, the bits of the CPU's (attention.h has the formulas).
//
// Block (x, y, z): the rows of tile x one after the other, query head y, splits z, z + grid_z, ...
// For each tile of 64 keys
//   - a half-warp is the 16 lanes of a score: lane j multiplies dimensions j, j + 16, ... of q and
//     of the key;
//   - every half-warp computes the softmax of all 64 scores, so each thread has its factors; the
//     first one leaves the probabilities in shared memory;
//   - a thread owns dimensions i and i + 128 of the head and adds p_t v_t[i], t ascending.
// Shared: 64 scores and 64 probabilities. Compute capability 8.0.
#include "cuda/device/device.h"
#include "cuda/kernels/attention.h"
#include "cuda/kernels/half_warp.cuh"
#include "cuda/kernels/online_softmax.cuh"
#include "cuda/kernels/paged_rows.cuh"

namespace llmrt::cuda {
namespace {

constexpr int32_t kHalfWarps = kAttentionFloat32Threads / kHalfWarpLanes;
constexpr int32_t kDims = kAttentionHeadDimMax / kAttentionFloat32Threads;  // of a thread

LLMRT_DEVICE const float* FloatRow(const PagedRows& rows, int32_t position) {
  return reinterpret_cast<const float*>(rows.At(position));
}

// One row and query head.
struct Query {
  int64_t unit;
  int32_t position;
  PagedRows keys;
  PagedRows values;
  const float* q;  // [head_dim]
};

// Scores of the tile's keys from `first` to `last`.
LLMRT_DEVICE void StoreScores(const AttentionArgs& args, const Query& query, int32_t first,
                              int32_t last, float* scores) {
  const int32_t thread = static_cast<int32_t>(ThreadIndex());
  const int32_t lane = thread % static_cast<int32_t>(kHalfWarpLanes);
  const int32_t half_warp = thread / static_cast<int32_t>(kHalfWarpLanes);
  for (int32_t key = half_warp; key < kAttentionTile; key += kHalfWarps) {
    // The half-warps of a warp stay together: beyond the end they compute the last key again.
    const float* const row = FloatRow(query.keys, first + key < last ? first + key : last);
    float sum = 0.0f;
#pragma unroll 8
    for (int32_t begin = 0; begin < args.kv.head_dim; begin += kHalfWarpLanes) {
      const int32_t dim = begin + lane;
      const bool inside = dim < args.kv.head_dim;
      sum =
          numerics::Fma(inside ? Load(query.q + dim) : 0.0f, inside ? Load(row + dim) : 0.0f, sum);
    }
    sum = HalfWarpSum(sum);
    if (lane == 0) Store(scores + key, sum * args.scale);
  }
}

// acc_i = fma(p_t, v_t[i], acc_i) for the keys `first` to `last`; first is a block's first.
LLMRT_DEVICE float AddValues(const Query& query, int32_t first, int32_t last, int32_t dim,
                             const float* p, float acc) {
  const int64_t head_dim = query.values.row_bytes / static_cast<int64_t>(sizeof(float));
  for (int32_t block = first; block <= last; block += query.values.block_size) {
    const float* value = FloatRow(query.values, block) + dim;
    for (int32_t t = block; t <= last && t < block + query.values.block_size; ++t) {
      acc = numerics::Fma(Load(p + (t - first)), Load(value), acc);
      value += head_dim;
    }
  }
  return acc;
}

// One split, from its first key on.
LLMRT_DEVICE void AttendSplit(const AttentionArgs& args, const Query& query, int32_t first_key,
                              SoftmaxState& state, float (&acc)[kDims]) {
  float* const scores = reinterpret_cast<float*>(SharedMemory());
  float* const probabilities = scores + kAttentionTile;
  for (int32_t first = first_key; first <= query.position && first < first_key + kAttentionSplit;
       first += kAttentionTile) {
    const int32_t tile_last = first + kAttentionTile - 1;
    const int32_t last = tile_last < query.position ? tile_last : query.position;
    StoreScores(args, query, first, last, scores);
    SyncBlock();
    float p[kKeysPerLane];
    const float alpha = AddTile(state, scores, query.position - first + 1, p);
    if (ThreadIndex() < kHalfWarpLanes) {
#pragma unroll
      for (uint32_t n = 0; n < kKeysPerLane; ++n) {
        Store(probabilities + ThreadIndex() + n * kHalfWarpLanes, p[n]);
      }
    }
    SyncBlock();
#pragma unroll
    for (int32_t n = 0; n < kDims; ++n) {
      const int32_t dim = static_cast<int32_t>(ThreadIndex() + n * kAttentionFloat32Threads);
      if (dim < args.kv.head_dim) {
        acc[n] = AddValues(query, first, last, dim, probabilities, acc[n] * alpha);
      }
    }
  }
}

LLMRT_DEVICE void StorePartial(const AttentionArgs& args, int64_t unit, int32_t split,
                               const SoftmaxState& state, const float (&acc)[kDims]) {
  float* const out = PartialState(args, unit, split);
#pragma unroll
  for (int32_t n = 0; n < kDims; ++n) {
    const int32_t dim = static_cast<int32_t>(ThreadIndex() + n * kAttentionFloat32Threads);
    if (dim < args.kv.head_dim) Store(out + dim, acc[n]);
  }
  if (ThreadIndex() == 0) {
    Store(out + args.kv.head_dim, state.max);
    Store(out + args.kv.head_dim + 1, state.sum);
  }
}

LLMRT_DEVICE void AttendRow(const AttentionArgs& args, int32_t row) {
  const int32_t head = static_cast<int32_t>(BlockIndexY());
  const int32_t kv_head = head / (args.num_q_heads / args.kv.num_kv_heads);
  Query query;
  query.unit = int64_t{row} * args.num_q_heads + head;
  if (query.unit < args.first_unit || query.unit >= args.end_unit) return;
  query.position = Load(args.step.positions + row);
  query.keys = PagedRowsOf<float>(args.step, args.kv, row, 0, kv_head);
  query.values = PagedRowsOf<float>(args.step, args.kv, row, 1, kv_head);
  query.q = args.q + query.unit * args.kv.head_dim;
  SoftmaxState total;
  float values[kDims] = {};
  for (int32_t split = static_cast<int32_t>(BlockIndexZ());
       split * kAttentionSplit <= query.position; split += static_cast<int32_t>(GridSizeZ())) {
    SoftmaxState state;
    float acc[kDims] = {};
    AttendSplit(args, query, split * kAttentionSplit, state, acc);
    if (args.partial != nullptr) {
      StorePartial(args, query.unit, split, state, acc);
    } else {
      const MergeFactors factors = MergeSplit(total, state);
#pragma unroll
      for (int32_t n = 0; n < kDims; ++n) values[n] = MergeValue(values[n], acc[n], factors);
    }
  }
  if (args.partial != nullptr) return;
#pragma unroll
  for (int32_t n = 0; n < kDims; ++n) {
    const int32_t dim = static_cast<int32_t>(ThreadIndex() + n * kAttentionFloat32Threads);
    if (dim < args.kv.head_dim) {
      Store(args.out + query.unit * args.kv.head_dim + dim, values[n] / total.sum);
    }
  }
}

}  // namespace

LLMRT_KERNEL(AttentionFloat32Kernel, AttentionArgs, kAttentionFloat32Threads) {
  const int32_t index = static_cast<int32_t>(BlockIndexX());
  const int32_t num_rows = Load(args.step.num_rows);
  AttentionTile tile = {index, 1};
  if (args.tiles != nullptr) {
    if (index >= Load(args.num_tiles)) return;
    tile = Load(args.tiles + index);
  }
  for (int32_t row = tile.first_row; row < tile.first_row + tile.num_rows && row < num_rows;
       ++row) {
    AttendRow(args, row);
  }
}

}  // namespace llmrt::cuda
