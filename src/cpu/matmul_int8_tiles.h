// The Engine of matmul_int8_512.h that multiplies 16 rows of activations by a block of 16 features
// in tile registers. Few rows stream by the vectors of `Vectors`, another engine.
//
// The weights of a chunk of a panel are unpacked once for all rows of the band, with the bias taken
// off, into bytes as a tile wants them; their scales, into float32. A block is a product of its
// own, because each has its scale: its sums go from the tile through memory into vectors, where the
// float steps of the class are those of the other tiers. Two tiles take turns, so that a product is
// under way while the sums of the block before are scaled.
#pragma once

#include "cpu/matmul_int8_512.h"

namespace llmrt::cpu::x512 {

// A chunk of a panel: signed weights [dword][feature][4], and scales. Blocks of Q6_K have two scale
// groups of four dwords.
template <WeightType kType>
struct TileWeights {
  alignas(64) uint8_t bytes[kChunkBlocks][kDwords][64];
  alignas(64) float scale[kChunkBlocks][Traits<kType>::kScaleGroups][kPanelRows];
  alignas(64) float offset[kChunkBlocks][kPanelRows];
};

template <WeightType kType>
LLMRT_512_INLINE void UnpackForTiles(const uint8_t* panel, int64_t first, int64_t count,
                                     TileWeights<kType>& out) {
  using T = Traits<kType>;
  const __m512i bias = _mm512_set1_epi8(static_cast<char>(T::kBias));
  for (int64_t b = 0; b < count; ++b) {
    const int64_t block = first + b;
    const uint8_t* group = panel + block / T::kGroupBlocks * T::kLayout.group_bytes;
    const int64_t part = block % T::kGroupBlocks;
    __m512i w[kDwords];
    UnpackWeights<kType>(group, part, w);
    for (int v = 0; v < kDwords; ++v) {
      // Modulo 256, so also right for Q8_0, whose bias is 128.
      _mm512_store_si512(out.bytes[b][v], _mm512_sub_epi8(w[v], bias));
    }
    const Scales<kType> scales = LoadScales<kType>(group, part);
    for (int g = 0; g < T::kScaleGroups; ++g) _mm512_store_ps(out.scale[b][g], scales.scale[g]);
    if constexpr (T::kOffset) _mm512_store_ps(out.offset[b], scales.offset);
  }
}

template <typename Vectors, typename Tiles>
struct TileEngine : Vectors {
  // Sums of one scale group: 16 rows of 16 features.
  struct alignas(64) Sums {
    int32_t at[kRowsMax][kPanelRows];
  };

  template <WeightType kType, int kTile>
  static inline __attribute__((always_inline)) void Multiply(
      const TileWeights<kType>& weights, int64_t b, int g,
      const ActivationTile<kType, kRowsMax>& tile, Sums& sums) {
    constexpr int kGroupDwords = kDwords / Traits<kType>::kScaleGroups;
    Tiles::template Zero<kTile>();
    Tiles::LoadActivations(tile.q[0] + g * kGroupDwords * 4, kBlockValues);
    Tiles::LoadWeights(weights.bytes[b][g * kGroupDwords]);
    Tiles::template AddBytes<kTile>();
    Tiles::template Store<kTile>(sums.at);
  }

  // The float steps of one scale group; with the offset after the last.
  template <WeightType kType>
  static inline __attribute__((always_inline)) void Scale(
      const TileWeights<kType>& weights, int64_t b, int g,
      const ActivationTile<kType, kRowsMax>& tile, const Sums& sums, __m512 (&acc)[kRowsMax]) {
    using T = Traits<kType>;
    const __m512 scale = _mm512_load_ps(weights.scale[b][g]);
    const bool last = g == T::kScaleGroups - 1;
    const __m512 offset = T::kOffset && last ? _mm512_load_ps(weights.offset[b]) : scale;
#pragma GCC unroll 16
    for (int m = 0; m < kRowsMax; ++m) {
      const __m512 d_a = _mm512_set1_ps(tile.scale[m]);
      const __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(sums.at[m]));
      acc[m] = _mm512_fmadd_ps(sum, _mm512_mul_ps(scale, d_a), acc[m]);
      if constexpr (T::kOffset) {
        acc[m] = _mm512_fmadd_ps(_mm512_set1_ps(tile.sum[m]), _mm512_mul_ps(offset, d_a), acc[m]);
      }
    }
  }

  template <WeightType kType>
  static inline __attribute__((always_inline)) void AddTile(
      const TileWeights<kType>& weights, int64_t count,
      const ActivationTile<kType, kRowsMax>* tiles, __m512 (&acc)[kRowsMax]) {
    constexpr int kGroups = Traits<kType>::kScaleGroups;
    Sums sums[2];
    for (__m512& sum : acc) sum = _mm512_setzero_ps();
    // Unit i is scale group i % kGroups of block i / kGroups.
    const int64_t units = count * kGroups;
    Multiply<kType, 0>(weights, 0, 0, tiles[0], sums[0]);
    for (int64_t i = 0; i < units; i += 2) {
      const int64_t odd = i + 1, even = i + 2;
      if (odd < units) {
        Multiply<kType, 1>(weights, odd / kGroups, odd % kGroups, tiles[odd / kGroups], sums[1]);
      }
      Scale<kType>(weights, i / kGroups, i % kGroups, tiles[i / kGroups], sums[0], acc);
      if (even < units) {
        Multiply<kType, 0>(weights, even / kGroups, even % kGroups, tiles[even / kGroups], sums[0]);
      }
      if (odd < units) {
        Scale<kType>(weights, odd / kGroups, odd % kGroups, tiles[odd / kGroups], sums[1], acc);
      }
    }
  }

  template <WeightType kType>
  static inline __attribute__((always_inline)) void AddPanel(const uint8_t* panel, int64_t first,
                                                             int64_t count,
                                                             const BandTiles<kType>& band,
                                                             float (*totals)[kPanelRows]) {
    TileWeights<kType> weights;
    for (int64_t b = 0; b < count; ++b) PrefetchBlock<kType>(panel, first + b, band.ahead);
    UnpackForTiles<kType>(panel, first, count, weights);
    Tiles::Configure(static_cast<int>(kBlockValues) / Traits<kType>::kScaleGroups);
    for (int64_t t = 0; t < band.count; ++t) {
      __m512 acc[kRowsMax];
      AddTile<kType>(weights, count, band.tiles + t * band.stride, acc);
      for (int i = 0; i < kRowsMax; ++i) AddTo(totals[t * kRowsMax + i], acc[i]);
    }
    Tiles::Release();
  }
};

}  // namespace llmrt::cpu::x512
