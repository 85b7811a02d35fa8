// Causal attention over a 16-bit cache on matrix units; the formulas are in attention.h.
//
// A column is a (row, query head) pair. Block (x, y, z) computes up to kColumns columns of tile x
// that share KV head y / c (c chunks of columns a KV head), over splits z, z + grid_z, ... For each
// tile of 64 keys, copied through the block table into shared memory:
//
//   scores   S [64 keys, columns] = K Q^T * scale; warp w takes keys 16 (w % 4) onward and, of 32
//            columns, half w / 4
//   softmax  a half-warp a column (two of 32 columns): p rounded to T, and the column's factors,
//            into shared memory; m and l stay in the half-warp's registers
//   values   acc [head_dim, columns] = acc * alpha + V^T P^T; warp w takes dimensions 16 (w % 4),
//            + 64, ... and columns as above. acc stays in registers; merged splits lie in `out`,
//            which is divided by L after the last tile.
//
// Three barriers a tile. Values are copied during scores and softmax, the next tile's keys during
// softmax and values. Accumulation: float32, in the matrix unit's order within a tile, as
// attention.h says across tiles. Shared bytes: attention.h. Compute capability 8.0.
#pragma once

#include "cuda/device/device.h"
#include "cuda/kernels/attention.h"
#include "cuda/kernels/half_warp.cuh"
#include "cuda/kernels/online_softmax.cuh"
#include "cuda/kernels/paged_rows.cuh"

namespace llmrt::cuda {

inline constexpr uint32_t kKeySteps = kAttentionTile / 16;
inline constexpr uint32_t kDimTiles = kAttentionHeadDimMax / 64;  // of 16, of one warp

// Columns of a warp: four warps share them, each with other keys and dimensions.
template <uint32_t kColumns>
inline constexpr uint32_t kWarpColumns = kColumns * 4 / (AttentionThreads(kColumns) / kWarpLanes);

template <uint32_t kColumns>
inline constexpr uint32_t kHalfWarps = AttentionThreads(kColumns) / kHalfWarpLanes;

struct alignas(16) Column {
  int64_t unit;
  int32_t position;  // -1: not to be computed
  int32_t reserved;
};

// What softmax tells the values of one column: by what acc is multiplied before the tile is added;
// where this tile ends a split, the factors of the merge and L.
struct alignas(16) ColumnFactors {
  float alpha;
  MergeFactors merge;
  float total_sum;
};
static_assert(sizeof(Column) + sizeof(ColumnFactors) == kAttentionColumnBytes);

// What a block works on and where its shared memory lies.
struct AttentionBlock {
  int32_t first_row;
  int32_t kv_head;
  int32_t first_position;  // smallest and largest of the columns; -1 where there are none
  int32_t last_position;
  uint32_t steps;  // of 16 along the head
  uint32_t row_bytes;
  uint32_t warp_tile;     // of 16 keys; of the head's dimensions it and every fourth one behind it
  uint32_t warp_columns;  // the warp's first one
  uint8_t* queries;       // [kColumns][row_bytes]
  uint8_t* keys;          // [64][row_bytes]
  uint8_t* values;
  uint8_t* probabilities;  // [kColumns][kAttentionProbabilityStride]
  float* scores;           // [kColumns][kAttentionScoreStride]
  Column* columns;         // [kColumns]
  ColumnFactors* factors;  // [kColumns]
};

// Pair number `pair` of a tile and a KV head: pairs are row * group + head.
LLMRT_DEVICE Column ColumnOfPair(const AttentionArgs& args, const AttentionTile& tile,
                                 int32_t kv_head, int32_t pair) {
  const int32_t group = args.num_q_heads / args.kv.num_kv_heads;
  const int32_t row = tile.first_row + pair / group;
  const int64_t unit = int64_t{row} * args.num_q_heads + kv_head * group + pair % group;
  const bool counts = pair < tile.num_rows * group && row < Load(args.step.num_rows) &&
                      unit >= args.first_unit && unit < args.end_unit;
  return {unit, counts ? Load(args.step.positions + row) : -1, 0};
}

template <uint32_t kColumns>
LLMRT_DEVICE void PlaceSharedMemory(const AttentionArgs& args, AttentionBlock& block) {
  block.steps = AttentionSteps(args.kv.head_dim);
  block.row_bytes = AttentionRowBytes(args.kv.head_dim);
  block.queries = SharedMemory();
  block.keys = block.queries + kColumns * block.row_bytes;
  block.values = block.keys + kAttentionTile * block.row_bytes;
  block.probabilities = block.values + kAttentionTile * block.row_bytes;
  block.scores =
      reinterpret_cast<float*>(block.probabilities + kColumns * kAttentionProbabilityStride);
  block.columns = reinterpret_cast<Column*>(block.scores + kColumns * kAttentionScoreStride);
  block.factors = reinterpret_cast<ColumnFactors*>(block.columns + kColumns);
}

// Finds the block's columns; false where it has none.
template <uint32_t kColumns>
LLMRT_DEVICE bool MakeBlock(const AttentionArgs& args, AttentionBlock& block) {
  const int32_t x = static_cast<int32_t>(BlockIndexX());
  AttentionTile tile = {x, 1};
  if (args.tiles != nullptr) {
    if (x >= Load(args.num_tiles)) return false;
    tile = Load(args.tiles + x);
  }
  const int32_t chunks = static_cast<int32_t>(GridSizeY()) / args.kv.num_kv_heads;
  const int32_t y = static_cast<int32_t>(BlockIndexY());
  block.first_row = tile.first_row;
  block.kv_head = y / chunks;
  const uint32_t warp = WarpIndex();
  block.warp_tile = warp % 4;
  block.warp_columns = warp / 4 * kWarpColumns<kColumns>;
  PlaceSharedMemory<kColumns>(args, block);
  const uint32_t thread = ThreadIndex();
  if (thread < kColumns) {
    const uint32_t pair = static_cast<uint32_t>(y % chunks) * kColumns + thread;
    Store(block.columns + thread,
          ColumnOfPair(args, tile, block.kv_head, static_cast<int32_t>(pair)));
  }
  SyncBlock();
  block.first_position = block.last_position = -1;
  for (uint32_t column = 0; column < kColumns; ++column) {
    const int32_t position = Load(&block.columns[column].position);
    const bool smaller = block.first_position < 0 || position < block.first_position;
    if (position >= 0 && smaller) block.first_position = position;
    if (position > block.last_position) block.last_position = position;
  }
  return block.last_position >= 0;
}

// Rounds the columns' queries into shared memory, by a half-warp each; zeros behind a head's end
// and for columns that are not computed.
template <typename T, uint32_t kColumns>
LLMRT_DEVICE void StoreQueries(const AttentionArgs& args, const AttentionBlock& block) {
  const int32_t head_dim = args.kv.head_dim;
  const uint32_t thread = ThreadIndex();
  for (uint32_t i = thread / kHalfWarpLanes; i < kColumns; i += kHalfWarps<kColumns>) {
    const Column column = Load(block.columns + i);
    const float* const q = args.q + column.unit * head_dim;
    const int32_t dims = column.position >= 0 ? head_dim : 0;
    uint32_t* const row = reinterpret_cast<uint32_t*>(block.queries + i * block.row_bytes);
    for (uint32_t pair = thread % kHalfWarpLanes; pair < block.steps * 8; pair += kHalfWarpLanes) {
      const int32_t dim = static_cast<int32_t>(2 * pair);
      const float low = dim < dims ? Load(q + dim) : 0.0f;
      const float high = dim + 1 < dims ? Load(q + dim + 1) : 0.0f;
      Store(row + pair, PackPair<T>(low, high));
    }
  }
}

// Copies the keys or values of a tile to shared memory, 8 lanes a row: asynchronously where rows
// are whole 16-byte units. Zeros behind the last position and behind the head's end.
LLMRT_DEVICE void CopyTile(const AttentionBlock& block, const PagedRows& rows, int32_t first,
                           uint8_t* tile) {
  const uint32_t thread = ThreadIndex();
  const uint32_t rows_at_once = BlockThreads() / 8;
  const uint32_t row_bytes = static_cast<uint32_t>(rows.row_bytes);
  for (uint32_t key = thread / 8; key < kAttentionTile; key += rows_at_once) {
    const int32_t position = first + static_cast<int32_t>(key);
    const bool exists = position <= block.last_position;
    const uint8_t* const source = rows.At(exists ? position : block.last_position);
    uint8_t* const row = tile + key * block.row_bytes;
    if (row_bytes % 16 == 0) {
      for (uint32_t i = thread % 8 * 16; i < block.steps * 32; i += 128) {
        const bool valid = exists && i < row_bytes;
        CopyAsync16(row + i, source + (valid ? i : 0), valid);
      }
    } else {
      for (uint32_t i = thread % 8 * 2; i < block.steps * 32; i += 16) {
        uint16_t value = 0;
        if (exists && i < row_bytes) value = Load(reinterpret_cast<const uint16_t*>(source + i));
        Store(reinterpret_cast<uint16_t*>(row + i), value);
      }
    }
  }
}

// B operands: 16 values of kGroups times 8 columns, whose rows are `row_bytes` apart.
template <uint32_t kGroups>
LLMRT_DEVICE void LoadColumns(uint32_t (&b)[kGroups][2], const uint8_t* rows, uint32_t row_bytes) {
  static_assert(kGroups == 1 || kGroups == 2);
  const uint32_t lane = LaneIndex();
  const uint32_t column = lane / 16 % kGroups * 8 + lane % 8;
  const uint8_t* const row = rows + column * row_bytes + lane / 8 % 2 * 16;
  if constexpr (kGroups == 1) {
    LoadMatrices2(b[0], row);
  } else {
    uint32_t both[4];
    LoadMatrices4(both, row);
    b[0][0] = both[0];
    b[0][1] = both[1];
    b[1][0] = both[2];
    b[1][1] = both[3];
  }
}

// Scores of the warp's 16 keys and its columns.
template <typename T, uint32_t kGroups>
LLMRT_DEVICE void StoreTileScores(const AttentionBlock& block, float scale) {
  const uint32_t lane = LaneIndex();
  const uint32_t first_key = block.warp_tile * 16;
  const uint8_t* const key =
      block.keys + (first_key + lane % 16) * block.row_bytes + lane / 16 * 16;
  const uint8_t* const query = block.queries + block.warp_columns * block.row_bytes;
  float sum[kGroups][4] = {};
#pragma unroll 4
  for (uint32_t step = 0; step < block.steps; ++step) {
    uint32_t a[4];
    uint32_t b[kGroups][2];
    LoadMatrices4(a, key + step * 32);
    LoadColumns<kGroups>(b, query + step * 32, block.row_bytes);
#pragma unroll
    for (uint32_t group = 0; group < kGroups; ++group) {
      MultiplyAccumulate<T>(sum[group], a, b[group]);
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < kGroups * 4; ++i) {
    const uint32_t column = block.warp_columns + i / 4 * 8 + lane % 4 * 2 + i % 2;
    Store(block.scores + column * kAttentionScoreStride + first_key + lane / 4 + i % 4 / 2 * 8,
          sum[i / 4][i % 4] * scale);
  }
}

// A column's softmax, in every lane of a half-warp.
struct ColumnSoftmax {
  SoftmaxState split;
  SoftmaxState total;
};

// Adds the tile whose first key is `first` to a column. Leaves the column's probabilities and
// factors in shared memory.
template <typename T>
LLMRT_DEVICE void SoftmaxTile(const AttentionArgs& args, const AttentionBlock& block,
                              uint32_t column, int32_t first, bool ends_split,
                              ColumnSoftmax& state) {
  const uint32_t lane = ThreadIndex() % kHalfWarpLanes;
  const Column source = Load(block.columns + column);
  float p[kKeysPerLane];
  ColumnFactors factors = {};
  factors.alpha = AddTile(state.split, block.scores + column * kAttentionScoreStride,
                          source.position - first + 1, p);
  uint8_t* const row = block.probabilities + column * kAttentionProbabilityStride;
#pragma unroll
  for (uint32_t n = 0; n < kKeysPerLane; ++n) {
    Store(reinterpret_cast<uint16_t*>(row) + lane + n * kHalfWarpLanes,
          static_cast<uint16_t>(PackPair<T>(p[n], 0.0f)));
  }
  const int32_t split = first / kAttentionSplit;
  if (ends_split && source.position >= split * kAttentionSplit) {
    if (args.partial == nullptr) {
      factors.merge = MergeSplit(state.total, state.split);
    } else if (lane == 0) {
      float* const out = PartialState(args, source.unit, split) + args.kv.head_dim;
      Store(out, state.split.max);
      Store(out + 1, state.split.sum);
    }
    state.split = SoftmaxState();
  }
  factors.total_sum = state.total.sum;
  if (lane == 0) Store(block.factors + column, factors);
}

// Whether an operand holds an infinity or NaN, in any lane: an exponent of all ones.
template <typename T>
inline constexpr uint32_t kExponentMask = 0;
template <>
inline constexpr uint32_t kExponentMask<Half> = 0x7c00;
template <>
inline constexpr uint32_t kExponentMask<BFloat16> = 0x7f80;

template <typename T>
LLMRT_DEVICE bool AnyNotFinite(const uint32_t (&a)[4]) {
  constexpr uint32_t kMask = kExponentMask<T>;
  bool found = false;
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    found = found || (a[i] & kMask) == kMask || (a[i] >> 16 & kMask) == kMask;
  }
  return Ballot(found) != 0;
}

// MultiplyAccumulate where values that only some of the 8 columns see are infinite: 0 times those
// is NaN, so each column takes its result from a product without the keys that it does not see.
// `first` is the position of the operand's first key.
template <typename T>
LLMRT_DEVICE void MultiplyVisible(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                  int32_t first, const Column* columns) {
  const uint32_t lane = LaneIndex();
  float result[4] = {};
#pragma unroll 1
  for (uint32_t column = 0; column < 8; ++column) {
    const int32_t position = Load(&columns[column].position);
    uint32_t visible[4];
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const int32_t key = first + static_cast<int32_t>(lane % 4 * 2 + i / 2 * 8);
      visible[i] =
          (key <= position ? a[i] & 0xffffu : 0u) | (key + 1 <= position ? a[i] & 0xffff0000u : 0u);
    }
    float all[4] = {sum[0], sum[1], sum[2], sum[3]};
    MultiplyAccumulate<T>(all, visible, b);
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      result[i] = column == lane % 4 * 2 + i % 2 ? all[i] : result[i];
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) sum[i] = result[i];
}

// The operands of V^T P^T for one dim tile, 16 keys from key 16 `step` of the tile on, and the
// warp's columns.
template <uint32_t kGroups>
LLMRT_DEVICE void LoadValueOperands(const AttentionBlock& block, uint32_t dim_tile, uint32_t step,
                                    uint32_t (&a)[4], uint32_t (&b)[kGroups][2]) {
  const uint32_t lane = LaneIndex();
  const uint32_t key = step * 16 + lane / 16 * 8 + lane % 8;
  LoadMatrices4Transposed(a,
                          block.values + key * block.row_bytes + dim_tile * 32 + lane / 8 % 2 * 16);
  const uint8_t* const p = block.probabilities + block.warp_columns * kAttentionProbabilityStride;
  LoadColumns<kGroups>(b, p + step * 32, kAttentionProbabilityStride);
}

// sum += V^T P^T, for one dim tile and the tile of keys from `first` on.
template <typename T, uint32_t kGroups>
LLMRT_DEVICE void MultiplyValues(const AttentionBlock& block, uint32_t dim_tile, int32_t first,
                                 float (&sum)[kGroups][4]) {
  uint32_t a[4];
  uint32_t b[kGroups][2];
  // Where all columns see all keys that were copied, infinite values need no care.
  const int32_t tile_last = first + kAttentionTile - 1;
  if (block.first_position >= tile_last || block.first_position == block.last_position) {
#pragma unroll
    for (uint32_t step = 0; step < kKeySteps; ++step) {
      LoadValueOperands<kGroups>(block, dim_tile, step, a, b);
#pragma unroll
      for (uint32_t i = 0; i < kGroups; ++i) MultiplyAccumulate<T>(sum[i], a, b[i]);
    }
    return;
  }
#pragma unroll 1
  for (uint32_t step = 0; step < kKeySteps; ++step) {
    LoadValueOperands<kGroups>(block, dim_tile, step, a, b);
    const bool by_column = AnyNotFinite<T>(a);
#pragma unroll
    for (uint32_t i = 0; i < kGroups; ++i) {
      if (by_column) {
        MultiplyVisible<T>(sum[i], a, b[i], first + static_cast<int32_t>(step * 16),
                           block.columns + block.warp_columns + i * 8);
      } else {
        MultiplyAccumulate<T>(sum[i], a, b[i]);
      }
    }
  }
}

// A warp's part of acc: fragments of 16 dimensions by 8 columns.
template <uint32_t kGroups>
using ValueFragments = float[kGroups][4];

// acc of one dim tile = acc * alpha + V^T P^T, where a column sees the tile from key `first` on.
template <typename T, uint32_t kGroups>
LLMRT_DEVICE void AddTileValues(const AttentionBlock& block, uint32_t dim_tile, int32_t first,
                                ValueFragments<kGroups>& acc) {
  const uint32_t first_column = block.warp_columns + LaneIndex() % 4 * 2;
  float sum[kGroups][4];
#pragma unroll
  for (uint32_t i = 0; i < kGroups * 2; ++i) {
    const float alpha = Load(&block.factors[first_column + i / 2 * 8 + i % 2].alpha);
    sum[i / 2][i % 2] = acc[i / 2][i % 2] * alpha;
    sum[i / 2][i % 2 + 2] = acc[i / 2][i % 2 + 2] * alpha;
  }
  MultiplyValues<T, kGroups>(block, dim_tile, first, sum);
#pragma unroll
  for (uint32_t i = 0; i < kGroups * 2; ++i) {
    const uint32_t column = first_column + i / 2 * 8 + i % 2;
    if (Load(&block.columns[column].position) >= first) {
      acc[i / 2][i % 2] = sum[i / 2][i % 2];
      acc[i / 2][i % 2 + 2] = sum[i / 2][i % 2 + 2];
    }
  }
}

// Ends a split: merges acc into A, which lies in `out` meanwhile, or stores it as a partial state.
// After the last tile, out = A / L.
template <uint32_t kGroups>
LLMRT_DEVICE void EndSplitValues(const AttentionArgs& args, const AttentionBlock& block,
                                 uint32_t dim_tile, int32_t split, bool last,
                                 ValueFragments<kGroups>& acc) {
  const uint32_t lane = LaneIndex();
  const uint32_t first_column = block.warp_columns + lane % 4 * 2;
#pragma unroll
  for (uint32_t i = 0; i < kGroups * 4; ++i) {
    const uint32_t index = first_column + i / 4 * 8 + i % 2;
    const int32_t dim = static_cast<int32_t>(dim_tile * 16 + lane / 4 + i % 4 / 2 * 8);
    const Column column = Load(block.columns + index);
    const bool visible = column.position >= split * kAttentionSplit;
    if (column.position >= 0 && dim < args.kv.head_dim) {
      if (args.partial == nullptr) {
        const ColumnFactors factors = Load(block.factors + index);
        float* const out = args.out + column.unit * args.kv.head_dim + dim;
        float value = split == 0 ? 0.0f : Load(out);
        if (visible) value = MergeValue(value, acc[i / 4][i % 4], factors.merge);
        Store(out, last ? value / factors.total_sum : value);
      } else if (visible) {
        Store(PartialState(args, column.unit, split) + dim, acc[i / 4][i % 4]);
      }
    }
    acc[i / 4][i % 4] = 0.0f;
  }
}

template <typename T, uint32_t kColumns>
LLMRT_DEVICE void Attention(const AttentionArgs& args) {
  constexpr uint32_t kOwnColumns = kColumns / kHalfWarps<kColumns>;  // of a half-warp
  constexpr uint32_t kGroups = kWarpColumns<kColumns> / 8;
  AttentionBlock block;
  if (!MakeBlock<kColumns>(args, block)) return;
  const PagedRows keys =
      PagedRowsOf<uint16_t>(args.step, args.kv, block.first_row, 0, block.kv_head);
  const PagedRows values =
      PagedRowsOf<uint16_t>(args.step, args.kv, block.first_row, 1, block.kv_head);
  // First key of the block's tile i: whole splits, grid_z apart.
  const int32_t first_split = static_cast<int32_t>(BlockIndexZ());
  const auto first_key = [&](int32_t i) {
    const int32_t split =
        first_split + i / kAttentionTilesPerSplit * static_cast<int32_t>(GridSizeZ());
    return split * kAttentionSplit + i % kAttentionTilesPerSplit * kAttentionTile;
  };
  const auto copy_keys = [&](int32_t i) {
    const int32_t first = first_key(i);
    if (first <= block.last_position) CopyTile(block, keys, first, block.keys);
    CommitCopies();
  };
  copy_keys(0);
  const uint32_t half_warp = ThreadIndex() / kHalfWarpLanes;
  StoreQueries<T, kColumns>(args, block);
  ColumnSoftmax softmax[kOwnColumns];
  ValueFragments<kGroups> acc[kDimTiles] = {};
  for (int32_t i = 0; first_key(i) <= block.last_position; ++i) {
    const int32_t first = first_key(i);
    const bool last = first + kAttentionTile > block.last_position;
    const bool ends_split = last || i % kAttentionTilesPerSplit == kAttentionTilesPerSplit - 1;
    WaitCopies<0>();
    SyncBlock();  // the keys are there, and the values before have been used
    CopyTile(block, values, first, block.values);
    CommitCopies();
    StoreTileScores<T, kGroups>(block, args.scale);
    SyncBlock();  // the scores are there, and the keys have been used
    copy_keys(i + 1);
#pragma unroll
    for (uint32_t n = 0; n < kOwnColumns; ++n) {
      SoftmaxTile<T>(args, block, half_warp + n * kHalfWarps<kColumns>, first, ends_split,
                     softmax[n]);
    }
    WaitCopies<1>();
    SyncBlock();  // the values, probabilities and factors are there
#pragma unroll
    for (uint32_t n = 0; n < kDimTiles; ++n) {
      const uint32_t dim_tile = block.warp_tile + n * 4;
      if (dim_tile < block.steps) {
        AddTileValues<T, kGroups>(block, dim_tile, first, acc[n]);
        if (ends_split) {
          EndSplitValues<kGroups>(args, block, dim_tile, first / kAttentionSplit, last, acc[n]);
        }
      }
    }
  }
}

}  // namespace llmrt::cuda
