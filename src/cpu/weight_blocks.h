// What the vector kernels of every tier know of the blocks of quantized weights in a panel
// (cpu/panel_layout.h). For files of such a tier only: static and inlined by force like
// vector_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/panel_layout.h"

namespace llmrt::cpu {

template <backend::WeightType kType>
struct BlockTraits {
  static constexpr PanelLayout kLayout = LayoutOf(kType);
  static constexpr int64_t kGroupBlocks = kLayout.group_values / kBlockValues;
  static constexpr bool kOffset = kLayout.offsets_at != 0;
  static constexpr bool kSixBitScales =
      kType == backend::WeightType::kQ4_K || kType == backend::WeightType::kQ5_K;
  static constexpr int kScaleGroups = kType == backend::WeightType::kQ6_K ? 2 : 1;
};

static inline __attribute__((always_inline)) __m128i Load16(const uint8_t* bytes) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

// Six-bit scales and minimums of the 16 features, block `part`; quant/k_scales.h has their bits.
static inline __attribute__((always_inline)) void LoadSixBits(const uint8_t* packed, int64_t part,
                                                              __m128i& scale, __m128i& minimum) {
  const __m128i six = _mm_set1_epi8(63), four = _mm_set1_epi8(15), top = _mm_set1_epi8(48);
  const int64_t j = part & 3;
  const __m128i a = Load16(packed + j * kPanelRows), b = Load16(packed + (j + 4) * kPanelRows);
  if (part < 4) {
    scale = _mm_and_si128(a, six);
    minimum = _mm_and_si128(b, six);
  } else {
    const __m128i c = Load16(packed + (j + 8) * kPanelRows);
    scale = _mm_or_si128(_mm_and_si128(c, four), _mm_and_si128(_mm_srli_epi16(a, 2), top));
    minimum = _mm_or_si128(_mm_and_si128(_mm_srli_epi16(c, 4), four),
                           _mm_and_si128(_mm_srli_epi16(b, 2), top));
  }
}

}  // namespace llmrt::cpu
