// Products with quantized weights in vectors of 512 bits, for the tiers avx512, vnni and amx
// (formulas: ops/matmul.h; panels: cpu/panel_layout.h). Tiers differ in how weights meet
// activations; each gives an Engine, a type with static functions only:
//
//   Add<kType, kCount, kRows>(w, q, sum)   sum[i] += products of kCount dwords of weights with the
//                                          dwords of row i
//   AddPanel<kType>(panel, first, count, band, totals)   a chunk of a panel for all rows of a band
//
// For the files of those tiers only.
//
// A vector holds one dword, four values along K, of each of 16 features, so a block of 32 values is
// eight vectors of weights; a dword of one row of activations is broadcast to meet them. The
// weights of a block are unpacked into registers once and serve 16 rows or more, eight at a time:
// as many chains of additions hide each other's latency. The sums of 16 rows over a chunk are more
// than the registers hold beside that; they lie in memory, in the first cache.
//
// Stored weights are unsigned, WeightBias above their value; what the bias adds to a sum is
// bias * (sum of the activations), which is subtracted by starting the sum from its negative.
//
// Activations come packed in tiles of rows (cpu/activation_tiles_512.h).
//
// Few rows wait for memory: each panel is read forward from end to end. Many rows wait for
// arithmetic: in bands of them, a chunk of whose activations stays in the first cache for a number
// of panels, which stay in the second cache for all bands.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <type_traits>

#include "cpu/activation_tiles_512.h"

namespace llmrt::cpu::x512 {

constexpr int64_t kChunkBlocks = backend::kChunkK / kBlockValues;
// Of the order for many rows: rows and panels whose sums lie in scratch, and what these panels may
// take of the second cache.
constexpr int64_t kBandRows = 64;
constexpr int64_t kBandPanels = 32;
constexpr int64_t kBandWeightBytes = 640 * 1024;

LLMRT_512_INLINE __m512i Load(const uint8_t* bytes) { return _mm512_load_si512(bytes); }

LLMRT_512_INLINE __m512 LoadF16(const uint8_t* bytes) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(bytes)));
}

LLMRT_512_INLINE __m512i BroadcastDword(const int8_t* bytes) {
  int32_t dword;
  __builtin_memcpy(&dword, bytes, sizeof(dword));
  return _mm512_set1_epi32(dword);
}

// The weights of block `part` of a group, unsigned.
template <WeightType kType>
LLMRT_512_INLINE void UnpackWeights(const uint8_t* group, int64_t part, __m512i (&w)[kDwords]) {
  constexpr PanelLayout kLayout = Traits<kType>::kLayout;
  const uint8_t* values = group + kLayout.values_at + part * kLayout.value_bytes;
  if constexpr (kType == WeightType::kQ8_0) {
    for (int v = 0; v < kDwords; ++v) w[v] = Load(values + v * 64);
    return;
  }
  const __m512i nibble = _mm512_set1_epi8(15);
  for (int v = 0; v < 4; ++v) {
    const __m512i both = Load(values + v * 64);
    w[v] = _mm512_and_si512(both, nibble);
    w[v + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
  }
  const uint8_t* planes = group + kLayout.planes_at + part * kLayout.plane_bytes;
  constexpr int kOr = 0xf8;  // a | (b & c)
  if constexpr (kLayout.plane_bytes == 64) {
    const __m512i bits = Load(planes), fifth = _mm512_set1_epi8(16);
    for (int v = 0; v < kDwords; ++v) {
      const __m512i moved =
          v < 4 ? _mm512_slli_epi16(bits, 4 - (v & 3)) : _mm512_srli_epi16(bits, v & 3);
      w[v] = _mm512_ternarylogic_epi32(w[v], moved, fifth, kOr);
    }
  }
  if constexpr (kLayout.plane_bytes == 128) {
    const __m512i top = _mm512_set1_epi8(48);
    for (int v = 0; v < kDwords; ++v) {
      const __m512i bits = Load(planes + v / 4 * 64);
      const __m512i moved = v % 4 < 2 ? _mm512_slli_epi16(bits, 4 - 2 * (v % 2))
                                      : _mm512_srli_epi16(bits, 2 * (v % 2));
      w[v] = _mm512_ternarylogic_epi32(w[v], moved, top, kOr);
    }
  }
}

// Scales of a block, of both groups for Q6_K, and its offsets.
template <WeightType kType>
struct Scales {
  __m512 scale[Traits<kType>::kScaleGroups];
  __m512 offset;
};

LLMRT_512_INLINE __m512 FromBytes(__m128i bytes) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}

template <WeightType kType>
LLMRT_512_INLINE Scales<kType> LoadScales(const uint8_t* group, int64_t part) {
  using T = Traits<kType>;
  Scales<kType> out;
  if constexpr (T::kSixBitScales) {
    __m128i scale, minimum;
    LoadSixBits(group + kSuperScalesAt, part, scale, minimum);
    out.scale[0] = _mm512_mul_ps(LoadF16(group), FromBytes(scale));
    out.offset =
        _mm512_xor_ps(_mm512_mul_ps(LoadF16(group + T::kLayout.offsets_at), FromBytes(minimum)),
                      _mm512_set1_ps(-0.0f));
  } else if constexpr (kType == WeightType::kQ6_K) {
    const __m512 scale = LoadF16(group);
    for (int g = 0; g < 2; ++g) {
      const __m128i bytes = Load16(group + kSuperScalesAt + (part * 2 + g) * kPanelRows);
      out.scale[g] = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
    }
  } else {
    out.scale[0] = LoadF16(group + part * 32);
    if constexpr (T::kOffset) out.offset = LoadF16(group + T::kLayout.offsets_at + part * 32);
  }
  return out;
}

// A row's sums with the features of a panel over a chunk, in a register or in memory.
struct RegisterSum {
  __m512 lanes;
};
struct StoredSum {
  alignas(64) float lanes[kPanelRows];
};

LLMRT_512_INLINE __m512 Value(const RegisterSum& sum) { return sum.lanes; }
LLMRT_512_INLINE __m512 Value(const StoredSum& sum) { return _mm512_load_ps(sum.lanes); }
LLMRT_512_INLINE void Assign(RegisterSum& sum, __m512 value) { sum.lanes = value; }
LLMRT_512_INLINE void Assign(StoredSum& sum, __m512 value) { _mm512_store_ps(sum.lanes, value); }

// Of kM rows.
template <int kM>
using ChunkSum = std::conditional_t<(kM > 8), StoredSum, RegisterSum>;

// sum[i] += value[i] * (scale * the scale of row m0 + i)
template <int kRows, typename Tile, typename Sum>
LLMRT_512_INLINE void AddScaled(const __m512 (&value)[kRows], __m512 scale, const Tile& tile,
                                int m0, Sum* sum) {
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(tile.scale[m0 + i]));
    Assign(sum[i], _mm512_fmadd_ps(value[i], both, Value(sum[i])));
  }
}

// A block of a panel as it meets rows.
template <WeightType kType>
struct UnpackedBlock {
  __m512i w[kDwords];
  Scales<kType> scales;
};

template <WeightType kType>
LLMRT_512_INLINE UnpackedBlock<kType> UnpackBlock(const uint8_t* panel, int64_t block) {
  using T = Traits<kType>;
  const uint8_t* group = panel + block / T::kGroupBlocks * T::kLayout.group_bytes;
  const int64_t part = block % T::kGroupBlocks;
  UnpackedBlock<kType> unpacked;
  unpacked.scales = LoadScales<kType>(group, part);
  UnpackWeights<kType>(group, part, unpacked.w);
  return unpacked;
}

// Asks for the bytes that lie `ahead` behind a block of a panel.
template <WeightType kType>
LLMRT_512_INLINE void PrefetchBlock(const uint8_t* panel, int64_t block, int64_t ahead) {
  using T = Traits<kType>;
  constexpr int64_t kBytes = T::kLayout.group_bytes / T::kGroupBlocks;
  Prefetch(panel + block * kBytes + ahead, kBytes);
}

template <WeightType kType>
LLMRT_512_INLINE void PrefetchBlockToSecond(const uint8_t* panel, int64_t block, int64_t ahead) {
  using T = Traits<kType>;
  constexpr int64_t kBytes = T::kLayout.group_bytes / T::kGroupBlocks;
  PrefetchToSecond(panel + block * kBytes + ahead, kBytes);
}

// Of kRows rows of a tile, those that are multiplied side by side.
static constexpr int RowsAtOnce(int rows) { return rows <= 8 ? rows : rows % 8 == 0 ? 8 : 6; }

// One block of a panel against one block of a tile's first kRows rows.
template <typename Engine, WeightType kType, int kRows, int kM>
LLMRT_512_INLINE void AddBlock(const UnpackedBlock<kType>& block,
                               const ActivationTile<kType, kM>& tile, ChunkSum<kM>* acc) {
  using T = Traits<kType>;
  constexpr int kGroupDwords = kDwords / T::kScaleGroups;
  constexpr int kStep = RowsAtOnce(kRows);
  static_assert(kRows <= kM && kRows % kStep == 0);
#pragma GCC unroll 2
  for (int m0 = 0; m0 < kRows; m0 += kStep) {
    __m512 value[kStep];
#pragma GCC unroll 2
    for (int g = 0; g < T::kScaleGroups; ++g) {
      __m512i sum[kStep];
#pragma GCC unroll 8
      for (int i = 0; i < kStep; ++i) sum[i] = _mm512_set1_epi32(tile.start[g][m0 + i]);
      Engine::template Add<kType, kGroupDwords, kStep>(block.w + g * kGroupDwords,
                                                       tile.q[m0] + g * kGroupDwords * 4, sum);
#pragma GCC unroll 8
      for (int i = 0; i < kStep; ++i) value[i] = _mm512_cvtepi32_ps(sum[i]);
      AddScaled(value, block.scales.scale[g], tile, m0, acc + m0);
    }
    if constexpr (T::kOffset) {
#pragma GCC unroll 8
      for (int i = 0; i < kStep; ++i) value[i] = _mm512_set1_ps(tile.sum[m0 + i]);
      AddScaled(value, block.scales.offset, tile, m0, acc + m0);
    }
  }
}

// All rows, at most kRows in a tile of kM, times panels one after the other, each from end to end.
template <typename Engine, WeightType kType, int kRows, int kM>
LLMRT_512_INLINE void Stream(const MatMulTask& task) {
  // Of Q8_0, whose lines come one after the other, the processor fetches enough by itself where it
  // computes little in between; where it computes much, lines come early enough for the second
  // cache, from farther.
  constexpr bool kFar = kRows >= 4;
  constexpr bool kNear = !kFar && kType != WeightType::kQ8_0;
  const auto* tiles = reinterpret_cast<const ActivationTile<kType, kM>*>(task.packed);
  const int64_t num_blocks = task.cols / kBlockValues;
  if (kFar || kNear)
    Prefetch(task.panels + task.begin / kPanelRows * task.panel_bytes, kFirstBytes);
  for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
    __m512 total[kRows];
    for (__m512& sum : total) sum = _mm512_setzero_ps();
    const uint8_t* weights = task.panels + panel * task.panel_bytes;
    for (int64_t first = 0; first < num_blocks; first += kChunkBlocks) {
      ChunkSum<kM> acc[kRows];
      for (ChunkSum<kM>& sum : acc) Assign(sum, _mm512_setzero_ps());
      const int64_t end = Min(first + kChunkBlocks, num_blocks);
      for (int64_t b = first; b < end; ++b) {
        if (kNear) PrefetchBlock<kType>(weights, b, kPrefetchBytes);
        if (kFar) PrefetchBlockToSecond<kType>(weights, b, 2 * kPrefetchBytes + kHalfPageBytes);
        AddBlock<Engine, kType, kRows>(UnpackBlock<kType>(weights, b), tiles[b], acc);
      }
      for (int m = 0; m < kRows; ++m) total[m] = _mm512_add_ps(total[m], Value(acc[m]));
    }
    for (int m = 0; m < kRows; ++m) {
      if (m < task.num_rows) StoreTotal(task, m, panel, total[m]);
    }
  }
}

// One chunk of the packed activations of a band: tile t begins `stride` blocks after tile t - 1.
template <WeightType kType>
struct BandTiles {
  const ActivationTile<kType, kRowsMax>* tiles;
  int64_t stride;
  int64_t count;
  int64_t last_rows;  // of the last tile that are multiplied: 4, 8, 12 or all
  int64_t ahead;      // bytes from the chunk of weights to the one that is wanted next
};

// Laid over the worker's scratch memory: a band's sums.
struct BandScratch {
  alignas(64) float totals[kBandPanels][kBandRows][kPanelRows];
};
static_assert(sizeof(BandScratch) <= kScratchBytes);

struct Band {
  int64_t first_row;
  int64_t num_rows;
  int64_t first_panel;
  int64_t num_panels;
};

// The first tiles of a band, kTiles or as many as it has, with a chunk of a panel.
template <typename Engine, WeightType kType, int kTiles>
LLMRT_512_INLINE void AddTiles(const uint8_t* panel, int64_t first, int64_t count,
                               const BandTiles<kType>& band, float (*totals)[kPanelRows]) {
  StoredSum acc[kTiles * kRowsMax];
  const int64_t rows = kTiles == 1 ? kRowsMax : Min(band.count, kTiles) * kRowsMax;
  for (int64_t i = 0; i < rows; ++i) Assign(acc[i], _mm512_setzero_ps());
  for (int64_t b = 0; b < count; ++b) {
    if (band.ahead != 0) PrefetchBlock<kType>(panel, first + b, band.ahead);
    const UnpackedBlock<kType> block = UnpackBlock<kType>(panel, first + b);
    AddBlock<Engine, kType, kRowsMax>(block, band.tiles[b], acc);
    if constexpr (kTiles > 1) {
      const ActivationTile<kType, kRowsMax>* tile = band.tiles + b + band.stride;
      for (int64_t i = kRowsMax; i < rows; i += kRowsMax, tile += band.stride) {
        AddBlock<Engine, kType, kRowsMax>(block, *tile, acc + i);
      }
    }
  }
  for (int64_t i = 0; i < rows; ++i) AddTo(totals[i], Value(acc[i]));
}

// The first kRows rows of a band's first tile.
template <typename Engine, WeightType kType, int kRows>
LLMRT_512_INLINE void AddShortTile(const uint8_t* panel, int64_t first, int64_t count,
                                   const BandTiles<kType>& band, float (*totals)[kPanelRows]) {
  StoredSum acc[kRows];
  for (StoredSum& sum : acc) Assign(sum, _mm512_setzero_ps());
  for (int64_t b = 0; b < count; ++b) {
    if (band.ahead != 0) PrefetchBlock<kType>(panel, first + b, band.ahead);
    AddBlock<Engine, kType, kRows>(UnpackBlock<kType>(panel, first + b), band.tiles[b], acc);
  }
  for (int i = 0; i < kRows; ++i) AddTo(totals[i], Value(acc[i]));
}

// Engine::AddPanel by vectors alone. Blocks of K-quants, whose scales are packed as well, are
// unpacked once for the band; others are unpacked in the shadow of each tile's products.
template <typename Engine, WeightType kType>
LLMRT_512_INLINE void AddPanelByVectors(const uint8_t* panel, int64_t first, int64_t count,
                                        const BandTiles<kType>& band, float (*totals)[kPanelRows]) {
  constexpr bool kPackedScales = Traits<kType>::kGroupBlocks == 8;
  constexpr int kTiles = kPackedScales ? kBandRows / kRowsMax : 1;
  const bool is_short = band.last_rows < kRowsMax;
  BandTiles<kType> rest = band;
  rest.count -= is_short ? 1 : 0;
  while (rest.count > 0) {
    AddTiles<Engine, kType, kTiles>(panel, first, count, rest, totals);
    const int64_t done = Min(rest.count, kTiles);
    rest.tiles += done * band.stride;
    rest.count -= done;
    rest.ahead = 0;
    totals += done * kRowsMax;
  }
  if (!is_short) return;
  if (band.last_rows == 4) AddShortTile<Engine, kType, 4>(panel, first, count, rest, totals);
  if (band.last_rows == 8) AddShortTile<Engine, kType, 8>(panel, first, count, rest, totals);
  if (band.last_rows == 12) AddShortTile<Engine, kType, 12>(panel, first, count, rest, totals);
}

template <typename Engine, WeightType kType>
LLMRT_512_INLINE void MultiplyBand(const MatMulTask& task, const Band& band) {
  BandScratch& scratch = *reinterpret_cast<BandScratch*>(task.scratch);
  const int64_t num_blocks = task.cols / kBlockValues;
  const auto* tiles = reinterpret_cast<const ActivationTile<kType, kRowsMax>*>(task.packed) +
                      band.first_row / kRowsMax * num_blocks;
  const int64_t num_tiles = (band.num_rows + kRowsMax - 1) / kRowsMax;
  const int64_t last_rows = (band.num_rows + 3) / 4 * 4 - (num_tiles - 1) * kRowsMax;
  constexpr PanelLayout kLayout = Traits<kType>::kLayout;
  constexpr int64_t kChunkBytes = backend::kChunkK / kLayout.group_values * kLayout.group_bytes;
  for (int64_t p = 0; p < band.num_panels; ++p) {
    __builtin_memset(scratch.totals[p], 0, num_tiles * kRowsMax * sizeof(scratch.totals[p][0]));
  }
  for (int64_t first = 0; first < num_blocks; first += kChunkBlocks) {
    const int64_t count = Min(kChunkBlocks, num_blocks - first);
    for (int64_t p = 0; p < band.num_panels; ++p) {
      const bool last = p == band.num_panels - 1;
      const int64_t ahead = last ? kChunkBytes - p * task.panel_bytes : task.panel_bytes;
      Engine::template AddPanel<kType>(
          task.panels + (band.first_panel + p) * task.panel_bytes, first, count,
          {tiles + first, num_blocks, num_tiles, last_rows, ahead}, scratch.totals[p]);
    }
  }
  for (int64_t p = 0; p < band.num_panels; ++p) {
    StoreTotals(task, band.first_panel + p, band.first_row, band.num_rows, scratch.totals[p]);
  }
}

template <typename Engine, WeightType kType>
LLMRT_512_INLINE void MultiplyBands(const MatMulTask& task) {
  const int64_t end_panel = (task.end + kPanelRows - 1) / kPanelRows;
  // The panels of one band are read once: forward, one after the other.
  const int64_t fit = task.num_rows <= kBandRows ? 1 : kBandWeightBytes / task.panel_bytes;
  const int64_t together = Min(kBandPanels, fit < 1 ? 1 : fit);
  for (int64_t p = task.begin / kPanelRows; p < end_panel; p += together) {
    for (int64_t m = 0; m < task.num_rows; m += kBandRows) {
      MultiplyBand<Engine, kType>(
          task, {m, Min(kBandRows, task.num_rows - m), p, Min(together, end_panel - p)});
    }
  }
}

template <typename Engine, WeightType kType>
LLMRT_512_INLINE void MatMul(const MatMulTask& task) {
  if (task.num_rows > kRowsMax) return MultiplyBands<Engine, kType>(task);
  switch (task.num_rows) {
    case 1:
      return Stream<Engine, kType, 1, 1>(task);
    case 2:
      return Stream<Engine, kType, 2, 2>(task);
    case 3:
    case 4:
      return Stream<Engine, kType, 4, 4>(task);
    case 5:
    case 6:
      return Stream<Engine, kType, 6, 8>(task);
    case 7:
    case 8:
      return Stream<Engine, kType, 8, 8>(task);
    case 9:
    case 10:
    case 11:
    case 12:
      return Stream<Engine, kType, 12, 16>(task);
    default:
      return Stream<Engine, kType, 16, 16>(task);
  }
}

}  // namespace llmrt::cpu::x512
