// Where the keys and values of one tile lie, for the attention kernels of every tier (see
// attention_block.h): read where they are, or first converted to float32 in the task's scratch.
//
// The templates of the attention_*.h files are compiled once a tier, with a class V of that tier's
// vectors, and live in anonymous namespaces: no copy is visible to the linker.
#pragma once

#include <cstdint>

#include "cpu/kernel_table.h"

#define LLMRT_ATTENTION_INLINE static inline __attribute__((always_inline))

namespace llmrt::cpu {
namespace {

using backend::KvType;

// NUMERICS F, as ops/attention.h has it.
inline constexpr int64_t kSplitKeys = 256;
inline constexpr int64_t kTileKeys = 64;
// The virtual lanes of numerics/lanes.h; keys come in columns of as many.
inline constexpr int64_t kLaneCount = 16;
inline constexpr int64_t kTileColumns = kTileKeys / kLaneCount;

template <KvType kType>
inline constexpr int64_t kKvBytes = kType == KvType::kF32 ? 4 : 2;

LLMRT_ATTENTION_INLINE int64_t RoundUpTo(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}
LLMRT_ATTENTION_INLINE int64_t Least(int64_t a, int64_t b) { return a < b ? a : b; }

// One tile's keys and values, in the cache or in scratch.
struct Tile {
  const uint8_t* columns[kTileColumns];  // sixteen keys each: where those of dim 0 begin
  int64_t dim_bytes;                     // from a dim of a column to the next
  const uint8_t* rows[kTileKeys];        // the value of each key
};

// What is fetched into the cache while the tile before it is worked on: runs of bytes, one after
// another. A block's tiles lie far from those of the next block, and the processor's own
// prefetching needs about as many lines as one of them has to find out where it is.
struct Ahead {
  const uint8_t* runs[2 * kTileColumns];
  int64_t run_bytes;
  int num_runs;
  int run;  // the one that `at` lies in
  const uint8_t* at;
  const uint8_t* end;
};

// Asks for the next kLines lines, in the second cache: blocks lie a power of two apart, so that in
// the first one what comes would drive out what is being read.
template <int kLines>
LLMRT_ATTENTION_INLINE void Fetch(Ahead& ahead) {
  if (ahead.run >= ahead.num_runs) return;
#pragma GCC unroll 8
  for (int i = 0; i < kLines; ++i) __builtin_prefetch(ahead.at + i * 64, /*rw=*/0, /*locality=*/2);
  ahead.at += kLines * 64;
  if (ahead.at < ahead.end) return;
  if (++ahead.run >= ahead.num_runs) return;
  ahead.at = ahead.runs[ahead.run];
  ahead.end = ahead.at + ahead.run_bytes;
}

// Aims at keys [begin, end): their keys first, then their values. At nothing where blocks are not
// parts of a tile.
template <KvType kType>
LLMRT_ATTENTION_INLINE void Aim(const AttentionTask& task, int64_t begin, int64_t end,
                                Ahead& ahead) {
  ahead.num_runs = ahead.run = 0;
  if (begin >= end || task.block_size % kLaneCount != 0 || kTileKeys % task.block_size != 0) return;
  ahead.run_bytes = task.block_size * task.head_dim * kKvBytes<kType>;
  const int32_t* table = task.block_table + begin / task.block_size;
  const uint8_t* const both[] = {task.k_tiles, task.v_tiles};
  for (const uint8_t* tiles : both) {
    for (int64_t t = begin, block = 0; t < end; t += task.block_size, ++block) {
      ahead.runs[ahead.num_runs++] = tiles + table[block] * task.block_bytes;
    }
  }
  ahead.at = ahead.runs[0];
  ahead.end = ahead.at + ahead.run_bytes;
}

// Points `tile` at keys [begin, end) in the cache: blocks of a multiple of sixteen keys. Columns
// are whole; their scores beyond `end` are nobody's.
template <KvType kType>
LLMRT_ATTENTION_INLINE void FindColumns(const AttentionTask& task, int64_t begin, int64_t end,
                                        Tile& tile) {
  tile.dim_bytes = task.block_size * kKvBytes<kType>;
  int64_t block = begin / task.block_size, slot = begin % task.block_size;
  for (int64_t c = 0; c < kTileColumns; ++c) {
    if (begin + c * kLaneCount >= end) {
      tile.columns[c] = tile.columns[0];  // the tile ends before: any keys will do
      continue;
    }
    tile.columns[c] =
        task.k_tiles + task.block_table[block] * task.block_bytes + slot * kKvBytes<kType>;
    slot += kLaneCount;
    if (slot == task.block_size) ++block, slot = 0;
  }
}

// Keys [begin, end) to float32 [padded head_dim][kTileKeys], zeros in the padding.
template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void ConvertKeys(const AttentionTask& task, int64_t begin, int64_t end,
                                        float* out, Tile& tile) {
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  const int64_t dim_bytes = task.block_size * kKvBytes<kType>;
  for (int64_t t = begin; t < end;) {
    const int64_t slot = t % task.block_size;
    const int64_t left = Least(end - t, task.block_size - slot);
    const uint8_t* in = task.k_tiles + task.block_table[t / task.block_size] * task.block_bytes +
                        slot * kKvBytes<kType>;
    const int64_t count = Least(left, V::kWidth);
    float* to = out + (t - begin);
    if (count == V::kWidth) {
      for (int64_t d = 0; d < task.head_dim; ++d) {
        V::Store(to + d * kTileKeys, V::template LoadKv<kType>(in + d * dim_bytes));
      }
    } else {
      for (int64_t d = 0; d < task.head_dim; ++d) {
        V::StorePadded(to + d * kTileKeys, 0, count,
                       V::template LoadKvPadded<kType>(in + d * dim_bytes, 0, count));
      }
    }
    t += count;
  }
  for (int64_t i = task.head_dim * kTileKeys; i < padded * kTileKeys; i += V::kWidth) {
    V::Store(out + i, V::Zero());
  }
  tile.dim_bytes = kTileKeys * 4;
  for (int64_t c = 0; c < kTileColumns; ++c) {
    tile.columns[c] = reinterpret_cast<const uint8_t*>(out + c * kLaneCount);
  }
}

// Points `tile` at the values of keys [begin, end) in the cache.
template <KvType kType>
LLMRT_ATTENTION_INLINE void FindValues(const AttentionTask& task, int64_t begin, int64_t end,
                                       Tile& tile) {
  const int64_t value_bytes = task.head_dim * kKvBytes<kType>;
  int64_t block = begin / task.block_size, slot = begin % task.block_size;
  for (int64_t t = begin; t < end; ++block, slot = 0) {
    const int64_t stop = t + Least(end - t, task.block_size - slot);
    const uint8_t* in = task.v_tiles + task.block_table[block] * task.block_bytes;
    for (in += slot * value_bytes; t < stop; ++t, in += value_bytes) tile.rows[t - begin] = in;
  }
}

// The values of keys [begin, end) to float32 [kTileKeys][padded head_dim], zeros in the padding.
template <class V, KvType kType>
LLMRT_ATTENTION_INLINE void ConvertValues(const AttentionTask& task, int64_t begin, int64_t end,
                                          float* out, Tile& tile) {
  const int64_t padded = RoundUpTo(task.head_dim, kLaneCount);
  FindValues<kType>(task, begin, end, tile);
  for (int64_t t = 0; t < end - begin; ++t, out += padded) {
    const uint8_t* in = tile.rows[t];
    int64_t i = 0;
    for (; i + V::kWidth <= task.head_dim; i += V::kWidth) {
      V::Store(out + i, V::template LoadKv<kType>(in + i * kKvBytes<kType>));
    }
    for (; i < padded; i += V::kWidth) {
      V::Store(out + i, V::template LoadKvPadded<kType>(in, i, task.head_dim));
    }
    tile.rows[t] = reinterpret_cast<const uint8_t*>(out);
  }
}

}  // namespace
}  // namespace llmrt::cpu
