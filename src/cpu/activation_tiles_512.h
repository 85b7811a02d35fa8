// Rows of int8 activations in the order that the products of matmul_int8_512.h read them in: tiles
// of up to 16 rows, block by block. For the files of the tiers avx512, vnni and amx only.
#pragma once

#include "cpu/panel_512.h"
#include "cpu/weight_blocks.h"

namespace llmrt::cpu::x512 {

using backend::WeightType;

constexpr int kDwords = 8;  // of a block of a row or feature
// Rows that share one unpacking of the weights: their accumulators, the weights and the scales fill
// the 32 registers.
constexpr int kRowsMax = 16;

// Rows of the tiles that `rows` rows are packed in; those that do not exist are zeros.
LLMRT_512_INLINE int TileRows(int64_t rows) {
  return rows > 8 ? 16 : rows > 4 ? 8 : rows > 2 ? 4 : static_cast<int>(rows);
}

template <WeightType kType>
struct Traits : BlockTraits<kType> {
  static constexpr int kBias = WeightBias(kType);
};

// One block of kM rows of activations as the inner loop reads it.
template <WeightType kType, int kM>
struct ActivationTile {
  alignas(64) int8_t q[kM][kBlockValues];
  float scale[kM];
  int32_t start[Traits<kType>::kScaleGroups][kM];  // -bias * sum of q in the scale group
  float sum[kM];                                   // of q; for weights with offsets
};

// The sum of the int8 values of 16 bytes.
LLMRT_512_INLINE int32_t SumOf16(const int8_t* q) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q));
  // Above zero by 128 each, summed in two halves.
  const __m128i halves =
      _mm_sad_epu8(_mm_xor_si128(bytes, _mm_set1_epi8(-128)), _mm_setzero_si128());
  return _mm_cvtsi128_si32(halves) + _mm_extract_epi16(halves, 4) - 16 * 128;
}

template <WeightType kType, int kM>
LLMRT_512_INLINE void PackRowBlock(const uint8_t* block, int m, ActivationTile<kType, kM>& tile) {
  using T = Traits<kType>;
  int32_t sum;
  __builtin_memcpy(&tile.scale[m], block, sizeof(float));
  __builtin_memcpy(&sum, block + 4, sizeof(sum));
  __builtin_memcpy(tile.q[m], block + 8, kBlockValues);
  if constexpr (T::kScaleGroups == 2) {
    const int32_t first = SumOf16(tile.q[m]);
    tile.start[0][m] = -T::kBias * first;
    tile.start[1][m] = -T::kBias * (sum - first);
  } else {
    tile.start[0][m] = -T::kBias * sum;
  }
  tile.sum[m] = static_cast<float>(sum);
}

}  // namespace llmrt::cpu::x512
