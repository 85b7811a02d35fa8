// Weights times the values of one tile, for attention_block.h: acc_i = fma(p_t, v_t[i], acc_i), t
// ascending. A value's vectors, loaded once, serve several queries, whose accumulators stay in
// registers over all keys of the tile.
#pragma once

#include "cpu/attention_tiles.h"

namespace llmrt::cpu {
namespace {

struct ValueBlock {
  const uint8_t* const* rows;  // the values of the tile's keys
  int64_t value_offset;        // bytes from a row's begin to the dims of this block
  int64_t begin, end;          // keys
  const float* p;              // [query][kTileKeys]
  const float* alpha;          // [query]; null: acc has been scaled
  float* acc;                  // dims of this block: [query][acc_stride]
  int64_t acc_stride;
  Ahead* ahead;
};

// kQ queries, kVectors vectors of their dims.
template <class V, KvType kType, int kQ, int kVectors>
static __attribute__((noinline)) void AddValuesPart(const ValueBlock& block) {
  typename V::Reg acc[kQ][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kQ; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      acc[i][v] = V::Load(block.acc + i * block.acc_stride + v * V::kWidth);
    }
  }
  if (block.alpha != nullptr) {
#pragma GCC unroll 8
    for (int i = 0; i < kQ; ++i) {
      const typename V::Reg alpha = V::Broadcast(block.alpha + i);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[i][v] = V::Mul(acc[i][v], alpha);
    }
  }
  const float* p = block.p + block.begin;
#pragma GCC unroll 1
  for (int64_t t = block.begin; t < block.end; ++t, ++p) {
    const uint8_t* row = block.rows[t] + block.value_offset;
    // One address: the compiler would keep value_offset plus each vector's offset in registers, and
    // run out of them.
    asm("" : "+r"(row));
    typename V::Reg values[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      values[v] = V::template LoadKv<kType>(row + v * V::kWidth * kKvBytes<kType>);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kQ; ++i) {
      const typename V::Reg weight = V::Broadcast(p + i * kTileKeys);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[i][v] = V::Fma(weight, values[v], acc[i][v]);
    }
    Fetch<kKvBytes<kType>>(*block.ahead);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kQ; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      V::Store(block.acc + i * block.acc_stride + v * V::kWidth, acc[i][v]);
    }
  }
}

template <class V, KvType kType, int kVectors>
LLMRT_ATTENTION_INLINE void AddValuesOf(int64_t count, const ValueBlock& block) {
  if (count >= V::kValueQueries) return AddValuesPart<V, kType, V::kValueQueries, kVectors>(block);
  if constexpr (V::kValueQueries > 3) {
    if (count == 3) return AddValuesPart<V, kType, 3, kVectors>(block);
  }
  if constexpr (V::kValueQueries > 2) {
    if (count == 2) return AddValuesPart<V, kType, 2, kVectors>(block);
  }
  AddValuesPart<V, kType, 1, kVectors>(block);
}

// All dims: V::kValueVectors vectors at a time, the rest by two and one.
template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void AddValuesRange(int64_t count, const ValueBlock& whole) {
  ValueBlock block = whole;
  int64_t i = 0;
  constexpr int64_t kPart = V::kValueVectors * V::kWidth;
  for (; i + kPart <= whole.acc_stride; i += kPart) {
    block.value_offset = i * kKvBytes<kType>;
    block.acc = whole.acc + i;
    AddValuesOf<V, kType, V::kValueVectors>(count, block);
  }
  if constexpr (V::kValueVectors > 2) {
    if (i + 2 * V::kWidth <= whole.acc_stride) {
      block.value_offset = i * kKvBytes<kType>;
      block.acc = whole.acc + i;
      AddValuesOf<V, kType, 2>(count, block);
      i += 2 * V::kWidth;
    }
  }
  if constexpr (V::kValueVectors > 1) {
    for (; i < whole.acc_stride; i += V::kWidth) {
      block.value_offset = i * kKvBytes<kType>;
      block.acc = whole.acc + i;
      AddValuesOf<V, kType, 1>(count, block);
    }
  }
}

// Adds the tile's values to the accumulators of queries [begin, end). `keys[i]` is the number of
// keys of the tile that query i sees, ascending in i: queries that go together add those that all
// of them see, and then each what it sees beyond.
template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void AddValues(const Tile& tile, const int32_t* keys, int64_t begin,
                                      int64_t end, ValueBlock whole) {
  whole.rows = tile.rows;
  const float* const p = whole.p;
  const float* const alpha = whole.alpha;
  float* const acc = whole.acc;
  for (int64_t i = begin; i < end; i += V::kValueQueries) {
    const int64_t count = Least(V::kValueQueries, end - i);
    ValueBlock block = whole;
    block.p = p + i * kTileKeys;
    block.alpha = alpha + i;
    block.acc = acc + i * whole.acc_stride;
    block.begin = 0;
    block.end = keys[i];
    AddValuesRange<V, kType>(count, block);
    block.alpha = nullptr;
    for (int64_t j = i + 1; j < i + count; ++j) {
      if (keys[j] == keys[i]) continue;
      block.p = p + j * kTileKeys;
      block.acc = acc + j * whole.acc_stride;
      block.begin = keys[i];
      block.end = keys[j];
      AddValuesRange<V, kType>(1, block);
    }
  }
}

}  // namespace
}  // namespace llmrt::cpu
