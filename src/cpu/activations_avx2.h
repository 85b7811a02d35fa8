// Quantized activations as matmul_int8_avx2.cc reads them, packed by pack_activations_avx2.cc: a
// block of several rows side by side, with the numbers from which sums start. For *_avx2.cc only;
// static and inlined by force.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backend/numeric_class.h"
#include "cpu/weights_avx2.h"

namespace llmrt::cpu::avx2 {

// Rows that share the weights that are loaded: two registers of sums each.
constexpr int kTileRows = 4;

// Rows of a tile of a product of `rows` rows.
LLMRT_AVX2_INLINE int TileRows(int64_t rows) {
  return rows < 3 ? static_cast<int>(rows) : kTileRows;
}

// What stored weights are above the quantity that the int16 sums are made of: WeightBias, but five
// bits without a bias get one too, or their sums would not fit.
template <WeightType kType>
LLMRT_AVX2_INLINE constexpr int SumBias() {
  return kType == WeightType::kQ5_1 || kType == WeightType::kQ5_K ? 16 : WeightBias(kType);
}

// One block of kM rows. `start`: what the bias adds, negative. For sums of int16 in halves: the
// low one of values 4 v and 4 v + 1, the high one of 4 v + 2 and 4 v + 3. For eight-bit weights one
// int32.
template <WeightType kType, int kM>
struct ActivationTile {
  using T = Traits<kType>;
  alignas(64) int32_t q[T::kSteps][kM];
  int32_t start[T::kScaleGroups][kM];
  int32_t back[kM];  // SumBias * sum where WeightBias is none
  float scale[kM];
  float sum[kM];  // of q; for weights with offsets
};

// Sums of the int16 pairs at even places and at odd places of 16 bytes times kBias, negative.
template <int kBias>
LLMRT_AVX2_INLINE __m128i NegativeHalfSums(__m128i q) {
  __m128i pairs = _mm_maddubs_epi16(_mm_set1_epi8(kBias), q);
  pairs = _mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, _MM_SHUFFLE(1, 0, 3, 2)));
  pairs = _mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_sub_epi16(_mm_setzero_si128(), pairs);
}

template <WeightType kType, int kM>
LLMRT_AVX2_INLINE void PackRowBlock(const uint8_t* block, int m, ActivationTile<kType, kM>& tile) {
  constexpr int kBias = SumBias<kType>();
  int32_t sum;
  __builtin_memcpy(&tile.scale[m], block, sizeof(float));
  __builtin_memcpy(&sum, block + 4, sizeof(sum));
  tile.sum[m] = static_cast<float>(sum);
  tile.back[m] = kBias * sum;
  const __m256i q = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 8));
  alignas(32) int32_t dwords[2][8];
  if constexpr (Traits<kType>::kWide) {
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(q, 8), 8);
    _mm256_store_si256(reinterpret_cast<__m256i*>(dwords[0]), even);
    _mm256_store_si256(reinterpret_cast<__m256i*>(dwords[1]), _mm256_srai_epi16(q, 8));
    tile.start[0][m] = -kBias * sum;
    for (int v = 0; v < 8; ++v) {
      tile.q[2 * v][m] = dwords[0][v];
      tile.q[2 * v + 1][m] = dwords[1][v];
    }
    return;
  }
  _mm256_store_si256(reinterpret_cast<__m256i*>(dwords[0]), q);
  for (int v = 0; v < 8; ++v) tile.q[v][m] = dwords[0][v];
  if constexpr (kBias != 0) {
    const __m128i first = NegativeHalfSums<kBias>(_mm256_castsi256_si128(q));
    const __m128i second = NegativeHalfSums<kBias>(_mm256_extracti128_si256(q, 1));
    if constexpr (Traits<kType>::kScaleGroups == 2) {
      tile.start[0][m] = _mm_cvtsi128_si32(first);
      tile.start[1][m] = _mm_cvtsi128_si32(second);
    } else {
      tile.start[0][m] = _mm_cvtsi128_si32(_mm_add_epi16(first, second));
    }
  }
}

}  // namespace llmrt::cpu::avx2
