// Attention over a block of rows, by the formulas of ops/attention.h: the walk over splits and
// tiles and the online softmax, for every tier. attention_scores.h and attention_values.h multiply.
//
// A block's queries are the query heads of its rows, row by row. A tile of 64 keys is looked up,
// and where many queries share it converted, once for all of them. Rows see different numbers of
// keys: each takes of a tile what it sees, and a tile beyond its position is not applied to it, so
// a row's bits do not depend on the rows beside it.
#pragma once

#include "cpu/attention_scores.h"
#include "cpu/attention_tiles.h"
#include "cpu/attention_values.h"

namespace llmrt::cpu {
namespace {

// The online softmax of every query. Vector code runs over the end of the arrays of one number a
// query, hence their length.
inline constexpr int64_t kQueryNumbers = kAttentionQueriesMax + kLaneCount;
struct SoftmaxState {
  alignas(64) float max[kQueryNumbers];
  alignas(64) float sum[kQueryNumbers];
  float* acc;  // [query][padded head_dim]
};

// Laid over the worker's scratch memory; what follows it there depends on head_dim.
struct AttentionScratch {
  SoftmaxState split;
  SoftmaxState total;
  alignas(64) float alpha[kQueryNumbers];
  alignas(64) float new_max[kQueryNumbers];
  alignas(64) float tile_sum[kQueryNumbers];
  int32_t keys[kQueryNumbers];  // of the current tile that the query sees
  float* q;                     // [query / V::kQueries][padded head_dim][V::kQueries]
  float* p;                     // [query][kTileKeys]: scores, then weights
  float* tile;                  // converted keys, then values
};

LLMRT_ATTENTION_INLINE constexpr int64_t AttentionScratchBytes(int64_t head_dim, int64_t queries) {
  return static_cast<int64_t>(sizeof(AttentionScratch)) +
         4 * (kTileKeys * head_dim + queries * (3 * head_dim + kTileKeys));
}
static_assert(AttentionScratchBytes(kHeadDimMax / 2, kAttentionQueriesMax) <= kScratchBytes);
static_assert(AttentionScratchBytes(kHeadDimMax, kAttentionQueriesMax / 2) <= kScratchBytes);
static_assert(sizeof(AttentionScratch) % 64 == 0 && kHeadDimMax % kLaneCount == 0);

template <class V>
LLMRT_ATTENTION_INLINE AttentionScratch& LayScratch(const AttentionTask& task) {
  auto& scratch = *reinterpret_cast<AttentionScratch*>(task.scratch);
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  const int64_t queries = RoundUpTo(task.num_rows * task.group, V::kQueries);
  scratch.tile = reinterpret_cast<float*>(task.scratch + sizeof(AttentionScratch));
  scratch.q = scratch.tile + kTileKeys * padded;
  scratch.split.acc = scratch.q + queries * padded;
  scratch.total.acc = scratch.split.acc + queries * padded;
  scratch.p = scratch.total.acc + queries * padded;
  return scratch;
}

// Queries side by side by V::kQueries, zeros in the padding: what ScoreKeys broadcasts is
// contiguous.
template <class V>
LLMRT_ATTENTION_INLINE void LoadQueries(const AttentionTask& task, float* q) {
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  const int64_t queries = task.num_rows * task.group;
  for (int64_t i = 0; i < RoundUpTo(queries, V::kQueries); ++i) {
    const float* in = task.q + i / task.group * task.row_stride + i % task.group * task.head_dim;
    float* out = q + i / V::kQueries * V::kQueries * padded + i % V::kQueries;
    for (int64_t d = 0; d < padded; ++d) {
      out[d * V::kQueries] = i < queries && d < task.head_dim ? in[d] : 0.0f;
    }
  }
}

template <class V>
LLMRT_ATTENTION_INLINE void Reset(int64_t queries, int64_t padded, SoftmaxState& state) {
  for (int64_t i = 0; i < queries; ++i) {
    state.max[i] = -__builtin_inff();
    state.sum[i] = 0.0f;
  }
  for (int64_t i = 0; i < queries * padded; i += V::kWidth) V::Store(state.acc + i, V::Zero());
}

// The largest of the tile's scores and of `max`; keys that the query does not see become -inf.
template <class V>
LLMRT_ATTENTION_INLINE float MaskAndMax(int64_t keys, float max, float* p) {
  const float none = -__builtin_inff();
  typename V::Reg top = V::Broadcast(&max);
  for (int64_t j = 0; j < kTileKeys; j += V::kWidth) {
    if (j + V::kWidth > keys) {
      // Stale where ScoreTile did not come; either way not a score.
      V::Store(p + j, V::KeepFirst(V::Load(p + j), keys - j, V::Broadcast(&none)));
    }
    top = V::Max(V::Load(p + j), top);
  }
  return V::MaxOf(top);
}

// Scores become weights, whose sum is returned. Absent keys get weight e^-inf = 0, and adding 0 to
// a lane that began at +0 changes no bit. Tiles begin at multiples of 64, so j % 16 is the
// position's lane.
template <class V>
LLMRT_ATTENTION_INLINE float Weigh(int64_t keys, float max, float* p) {
  constexpr int64_t kRegs = kLaneCount / V::kWidth;
  const typename V::Reg by = V::Broadcast(&max);
  typename V::Reg lanes[kRegs];
  for (auto& lane : lanes) lane = V::Zero();
  for (int64_t j = 0; j < keys; j += kLaneCount) {
#pragma GCC unroll 2
    for (int64_t r = 0; r < kRegs; ++r) {
      float* at = p + j + r * V::kWidth;
      const typename V::Reg weight = V::Exp(V::Sub(V::Load(at), by));
      V::Store(at, weight);
      lanes[r] = V::Add(lanes[r], weight);
    }
  }
  return V::SumOf(lanes);
}

// Weights, alpha, max and sum of queries [begin, end) for a tile whose scores are in p.
template <class V>
LLMRT_ATTENTION_INLINE void WeighTile(int64_t begin, int64_t end, AttentionScratch& s) {
  for (int64_t i = begin; i < end; ++i) {
    s.new_max[i] = MaskAndMax<V>(s.keys[i], s.split.max[i], s.p + i * kTileKeys);
  }
  for (int64_t i = begin; i < end; ++i) {
    s.tile_sum[i] = Weigh<V>(s.keys[i], s.new_max[i], s.p + i * kTileKeys);
  }
  // Over the end of the arrays' used part: those numbers are nobody's.
  for (int64_t i = begin; i < end; i += V::kWidth) {
    const typename V::Reg max = V::Load(s.new_max + i);
    const typename V::Reg alpha = V::Exp(V::Sub(V::Load(s.split.max + i), max));
    V::Store(s.alpha + i, alpha);
    V::Store(s.split.max + i, max);
    V::Store(s.split.sum + i,
             V::Add(V::Mul(V::Load(s.split.sum + i), alpha), V::Load(s.tile_sum + i)));
  }
}

// Adds the split's state to the total of queries [begin, end).
template <class V>
LLMRT_ATTENTION_INLINE void MergeSplit(int64_t begin, int64_t end, int64_t padded,
                                       AttentionScratch& s) {
  float* const a = s.alpha;
  float* const b = s.tile_sum;
  for (int64_t i = begin; i < end; i += V::kWidth) {
    const typename V::Reg total = V::Load(s.total.max + i), split = V::Load(s.split.max + i);
    const typename V::Reg max = V::Max(split, total);
    V::Store(a + i, V::Exp(V::Sub(total, max)));
    V::Store(b + i, V::Exp(V::Sub(split, max)));
    V::Store(s.total.max + i, max);
    const typename V::Reg scaled = V::Mul(V::Load(s.total.sum + i), V::Load(a + i));
    V::Store(s.total.sum + i, V::Fma(V::Load(s.split.sum + i), V::Load(b + i), scaled));
  }
  for (int64_t i = begin; i < end; ++i) {
    const typename V::Reg by_a = V::Broadcast(a + i), by_b = V::Broadcast(b + i);
    for (int64_t d = i * padded; d < (i + 1) * padded; d += V::kWidth) {
      const typename V::Reg scaled = V::Mul(V::Load(s.total.acc + d), by_a);
      V::Store(s.total.acc + d, V::Fma(V::Load(s.split.acc + d), by_b, scaled));
    }
  }
}

template <class V>
LLMRT_ATTENTION_INLINE void WriteOut(const AttentionTask& task, const SoftmaxState& total) {
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  for (int64_t i = 0; i < task.num_rows * task.group; ++i) {
    float* out = task.out + i / task.group * task.row_stride + i % task.group * task.head_dim;
    const typename V::Reg sum = V::Broadcast(total.sum + i);
    for (int64_t d = 0; d < task.head_dim; d += V::kWidth) {
      V::StorePadded(out, d, task.head_dim, V::Div(V::Load(total.acc + i * padded + d), sum));
    }
  }
}

// One tile of keys [begin, end), for queries [first, queries): those before see none of it.
template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void AttendTile(const AttentionTask& task, int64_t begin, int64_t end,
                                       int64_t first, AttentionScratch& s) {
  const int64_t queries = task.num_rows * task.group;
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  // What few queries read is converted in their registers, what many read once for all. Float32 is
  // read where it lies. Rows of the cache that no whole vector ends in must be copied anyway.
  const bool in_place =
      padded == task.head_dim && (kType == KvType::kF32 || queries <= V::kQueriesInPlace);
  for (int64_t i = first; i < queries; ++i) {
    s.keys[i] = static_cast<int32_t>(Least(end, task.num_keys + i / task.group) - begin);
  }
  Tile tile;
  Ahead ahead;
  Aim<kType>(task, end, Least(end + kTileKeys, task.num_keys + task.num_rows - 1), ahead);
  const ScoredQueries scored = {
      .q = s.q, .begin = first / V::kQueries * V::kQueries, .end = queries, .p = s.p};
  if (in_place && task.block_size % kLaneCount == 0) {
    FindColumns<kType>(task, begin, end, tile);
    ScoreTile<V, kType>(task, tile, end - begin, scored, ahead);
  } else {
    ConvertKeys<V, kType>(task, begin, end, s.tile, tile);
    ScoreTile<V, KvType::kF32>(task, tile, end - begin, scored, ahead);
  }
  WeighTile<V>(first, queries, s);
  const ValueBlock values = {
      .p = s.p, .alpha = s.alpha, .acc = s.split.acc, .acc_stride = padded, .ahead = &ahead};
  if (in_place) {
    FindValues<kType>(task, begin, end, tile);
    AddValues<V, kType>(tile, s.keys, first, queries, values);
  } else {
    ConvertValues<V, kType>(task, begin, end, s.tile, tile);
    AddValues<V, KvType::kF32>(tile, s.keys, first, queries, values);
  }
}

// The first query that sees key `t`.
LLMRT_ATTENTION_INLINE int64_t FirstThatSees(const AttentionTask& task, int64_t t) {
  return t < task.num_keys ? 0 : (t - task.num_keys + 1) * task.group;
}

template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void Attend(const AttentionTask& task) {
  AttentionScratch& s = LayScratch<V>(task);
  const int64_t queries = task.num_rows * task.group;
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  const int64_t keys = task.num_keys + task.num_rows - 1;  // of the last row
  LoadQueries<V>(task, s.q);
  Reset<V>(queries, padded, s.total);
  for (int64_t split = 0; split < keys; split += kSplitKeys) {
    Reset<V>(queries, padded, s.split);
    const int64_t split_end = Least(keys, split + kSplitKeys);
    for (int64_t tile = split; tile < split_end; tile += kTileKeys) {
      AttendTile<V, kType>(task, tile, Least(split_end, tile + kTileKeys),
                           FirstThatSees(task, tile), s);
    }
    MergeSplit<V>(FirstThatSees(task, split), queries, padded, s);
  }
  WriteOut<V>(task, s.total);
}

}  // namespace
}  // namespace llmrt::cpu
