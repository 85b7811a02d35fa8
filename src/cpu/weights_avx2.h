// Quantized weights of a panel (cpu/panel_layout.h) in AVX2: dwords of eight features as unsigned
// bytes, and the scales of a block. UnpackBlock of panel_packing.h gives the same numbers. For
// *_avx2.cc only; static and inlined by force like vector_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/panel_avx2.h"
#include "cpu/weight_blocks.h"

namespace llmrt::cpu::avx2 {

template <WeightType kType>
struct Traits : BlockTraits<kType> {
  // Eight-bit weights are multiplied as pairs of int16: twice as many dwords.
  static constexpr bool kWide = kType == WeightType::kQ8_0;
  static constexpr int kSteps = kWide ? 16 : 8;
};

LLMRT_AVX2_INLINE __m256i Load32(const uint8_t* bytes) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}

// Eight f16 numbers to float32.
LLMRT_AVX2_INLINE __m256 LoadF16(const uint8_t* bytes) { return _mm256_cvtph_ps(Load16(bytes)); }

// Bits [4, 6) of dword `v` of eight features; `planes` those of the block.
template <int kBits>
LLMRT_AVX2_INLINE __m256i HighBits(const uint8_t* planes, int v) {
  if constexpr (kBits == 1) {
    const __m256i bits = Load32(planes);
    const __m256i moved = v < 4 ? _mm256_slli_epi16(bits, 4 - v) : _mm256_srli_epi16(bits, v - 4);
    return _mm256_and_si256(moved, _mm256_set1_epi8(16));
  }
  const __m256i bits = Load32(planes + v / 4 * kVectorBytes);
  const int shift = 2 * (v % 4);
  const __m256i moved =
      shift < 4 ? _mm256_slli_epi16(bits, 4 - shift) : _mm256_srli_epi16(bits, shift - 4);
  return _mm256_and_si256(moved, _mm256_set1_epi8(48));
}

// What step `step` of block `part` of a group multiplies, for the features of one half: the dword
// of values 4 step to 4 step + 3, unsigned. Of eight-bit weights the even values of dword step / 2
// in int16, then the odd ones.
template <WeightType kType>
LLMRT_AVX2_INLINE __m256i UnpackDword(const uint8_t* group, int64_t part, int half, int step) {
  constexpr PanelLayout kLayout = Traits<kType>::kLayout;
  const uint8_t* values =
      group + kLayout.values_at + part * kLayout.value_bytes + half * kHalfBytes;
  if constexpr (Traits<kType>::kWide) {
    const __m256i bytes = Load32(values + step / 2 * kVectorBytes);
    if (step % 2 != 0) return _mm256_srli_epi16(bytes, 8);
    return _mm256_and_si256(bytes, _mm256_set1_epi16(255));
  }
  const __m256i both = Load32(values + step % 4 * kVectorBytes);
  const __m256i moved = step < 4 ? both : _mm256_srli_epi16(both, 4);
  const __m256i low = _mm256_and_si256(moved, _mm256_set1_epi8(15));
  if constexpr (kLayout.plane_bytes == 0) return low;
  constexpr int kBits = kLayout.plane_bytes == 64 ? 1 : 2;
  const uint8_t* planes =
      group + kLayout.planes_at + part * kLayout.plane_bytes + half * kHalfBytes;
  return _mm256_or_si256(low, HighBits<kBits>(planes, step));
}

// Of all 16 features, by half: the scales of a block, of both groups for Q6_K, and its offsets.
template <WeightType kType>
struct Scales {
  __m256 scale[Traits<kType>::kScaleGroups][2];
  __m256 offset[2];
};

LLMRT_AVX2_INLINE __m256 FromUnsigned(__m128i bytes, int half) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(half == 0 ? bytes : _mm_srli_si128(bytes, 8)));
}

LLMRT_AVX2_INLINE __m256 FromSigned(__m128i bytes, int half) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half == 0 ? bytes : _mm_srli_si128(bytes, 8)));
}

template <WeightType kType>
LLMRT_AVX2_INLINE Scales<kType> LoadScales(const uint8_t* group, int64_t part) {
  using T = Traits<kType>;
  Scales<kType> out;
  __m128i scale, minimum;
  if constexpr (T::kSixBitScales) LoadSixBits(group + kSuperScalesAt, part, scale, minimum);
  for (int h = 0; h < 2; ++h) {
    if constexpr (T::kSixBitScales) {
      const __m256 step = LoadF16(group + T::kLayout.offsets_at + h * 16);
      out.scale[0][h] = _mm256_mul_ps(LoadF16(group + h * 16), FromUnsigned(scale, h));
      out.offset[h] =
          _mm256_xor_ps(_mm256_mul_ps(step, FromUnsigned(minimum, h)), _mm256_set1_ps(-0.0f));
    } else if constexpr (kType == WeightType::kQ6_K) {
      for (int g = 0; g < 2; ++g) {
        const __m128i bytes = Load16(group + kSuperScalesAt + (part * 2 + g) * kPanelRows);
        out.scale[g][h] = _mm256_mul_ps(LoadF16(group + h * 16), FromSigned(bytes, h));
      }
    } else {
      out.scale[0][h] = LoadF16(group + part * 32 + h * 16);
      if constexpr (T::kOffset) {
        out.offset[h] = LoadF16(group + T::kLayout.offsets_at + part * 32 + h * 16);
      }
    }
  }
  return out;
}

}  // namespace llmrt::cpu::avx2
