// Queries times the keys of one tile, for attention_block.h.
//
// Keys lie side by side, so the sixteen lanes of numerics::DotLanes are not the elements of a
// register: lane j of sixteen keys is one register, a sum of products of a broadcast q[d] with the
// keys' dim d, d = j, j + 16, ... ascending. The tree then adds whole registers. Lanes are visited
// in the order in which the tree consumes them (0, 8, 4, 12, 2, ...), so at most one partial sum a
// level waits: a recursion, which the compiler unrolls.
#pragma once

#include "cpu/attention_tiles.h"

namespace llmrt::cpu {
namespace {

// kQ queries against kK vectors of keys.
template <class V, int kQ, int kK>
struct Sums {
  typename V::Reg at[kQ][kK];
};

struct ScoreBlock {
  const float* q;              // [head_dim][V::kQueries]
  const uint8_t* const* keys;  // dim 0 of each vector of keys
  int64_t dim_bytes;
  int64_t groups;  // of sixteen dims
  Ahead* ahead;
};

// Lane kLane of each pair.
template <class V, KvType kType, int kQ, int kK, int kGroups, int kLane>
LLMRT_ATTENTION_INLINE Sums<V, kQ, kK> SumLane(const ScoreBlock& block) {
  Sums<V, kQ, kK> sums;
  const float* q = block.q + kLane * V::kQueries;
  int64_t offset = kLane * block.dim_bytes;
  const int64_t step = kLaneCount * block.dim_bytes;
#pragma GCC unroll 8
  for (int i = 0; i < kQ; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kK; ++v) sums.at[i][v] = V::Zero();
  }
  const int64_t groups = kGroups > 0 ? kGroups : block.groups;
#pragma GCC unroll 4
  for (int64_t g = 0; g < groups; ++g) {
    // With the values' share, all of the next tile in one pass of V::kQueries queries.
    if (g % 2 == 0) Fetch<kKvBytes<kType>>(*block.ahead);
    typename V::Reg keys[kK];
#pragma GCC unroll 8
    for (int v = 0; v < kK; ++v) keys[v] = V::template LoadKv<kType>(block.keys[v] + offset);
#pragma GCC unroll 8
    for (int i = 0; i < kQ; ++i) {
      const typename V::Reg x = V::Broadcast(q + i);
#pragma GCC unroll 8
      for (int v = 0; v < kK; ++v) sums.at[i][v] = V::Fma(x, keys[v], sums.at[i][v]);
    }
    q += kLaneCount * V::kQueries;
    offset += step;
  }
  return sums;
}

// The tree's node over lanes kLane, kLane + kStep, ...
template <class V, KvType kType, int kQ, int kK, int kGroups, int kLane, int kStep>
LLMRT_ATTENTION_INLINE Sums<V, kQ, kK> SumTree(const ScoreBlock& block) {
  if constexpr (kStep == kLaneCount) {
    return SumLane<V, kType, kQ, kK, kGroups, kLane>(block);
  } else {
    Sums<V, kQ, kK> a = SumTree<V, kType, kQ, kK, kGroups, kLane, 2 * kStep>(block);
    const Sums<V, kQ, kK> b = SumTree<V, kType, kQ, kK, kGroups, kLane + kStep, 2 * kStep>(block);
#pragma GCC unroll 8
    for (int i = 0; i < kQ; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kK; ++v) a.at[i][v] = V::Add(a.at[i][v], b.at[i][v]);
    }
    return a;
  }
}

// kQ queries' scores against V::kKeyVectors vectors of keys, to p[query][kTileKeys].
template <class V, KvType kType, int kQ, int kGroups>
static __attribute__((noinline)) void ScoreKeys(const ScoreBlock& block, float scale, float* p) {
  const Sums<V, kQ, V::kKeyVectors> sums =
      SumTree<V, kType, kQ, V::kKeyVectors, kGroups, 0, 1>(block);
  const typename V::Reg by = V::Broadcast(&scale);
#pragma GCC unroll 8
  for (int i = 0; i < kQ; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < V::kKeyVectors; ++v) {
      V::Store(p + i * kTileKeys + v * V::kWidth, V::Mul(sums.at[i][v], by));
    }
  }
}

template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void ScoreQueries(int64_t count, const ScoreBlock& block, float scale,
                                         float* p) {
  if (count >= V::kQueries) {
    if (block.groups == V::kUnrolledGroups) {
      return ScoreKeys<V, kType, V::kQueries, V::kUnrolledGroups>(block, scale, p);
    }
    return ScoreKeys<V, kType, V::kQueries, 0>(block, scale, p);
  }
  if constexpr (V::kQueries > 3) {
    if (count == 3) return ScoreKeys<V, kType, 3, 0>(block, scale, p);
  }
  if constexpr (V::kQueries > 2) {
    if (count == 2) return ScoreKeys<V, kType, 2, 0>(block, scale, p);
  }
  ScoreKeys<V, kType, 1, 0>(block, scale, p);
}

// Queries [begin, end) of a block; `begin` is a multiple of V::kQueries.
struct ScoredQueries {
  const float* q;  // [query / V::kQueries][padded head_dim][V::kQueries]
  int64_t begin, end;
  float* p;  // [query][kTileKeys]
};

// Their scores against the tile's first `count` keys; those of further keys of the last column are
// written too, and mean nothing.
template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void ScoreTile(const AttentionTask& task, const Tile& tile, int64_t count,
                                      const ScoredQueries& queries, Ahead& ahead) {
  constexpr int64_t kStep = V::kKeyVectors * V::kWidth;
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  const uint8_t* keys[V::kKeyVectors];
  const ScoreBlock whole = {
      .keys = keys, .dim_bytes = tile.dim_bytes, .groups = padded / kLaneCount, .ahead = &ahead};
  for (int64_t j = 0; j < count; j += kStep) {
    for (int v = 0; v < V::kKeyVectors; ++v) {
      const int64_t key = j + v * V::kWidth;
      keys[v] = tile.columns[key / kLaneCount] + key % kLaneCount * kKvBytes<kType>;
    }
    for (int64_t i = queries.begin; i < queries.end; i += V::kQueries) {
      ScoreBlock block = whole;
      block.q = queries.q + i * padded;
      ScoreQueries<V, kType>(queries.end - i, block, task.scale, queries.p + i * kTileKeys + j);
    }
  }
}

}  // namespace
}  // namespace llmrt::cpu
