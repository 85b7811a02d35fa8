// Eight floats at a time: the functions of src/numerics in AVX2, step for step and so bit for bit.
// For *_avx2.cc only. Everything is static and inlined by force: a weak symbol made of these
// instructions could be linked into code for older processors.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "numerics/exact_math_constants.h"

#define LLMRT_AVX2_INLINE static inline __attribute__((always_inline))

namespace llmrt::cpu::avx2 {

LLMRT_AVX2_INLINE int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }

LLMRT_AVX2_INLINE int64_t Max(int64_t a, int64_t b) { return a > b ? a : b; }

LLMRT_AVX2_INLINE int64_t RoundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Sixteen virtual lanes: lanes 0-7 and 8-15.
struct Lanes {
  __m256 low;
  __m256 high;
};

LLMRT_AVX2_INLINE Lanes ZeroLanes() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }

// The first two steps of numerics::TreeSum16: lane i takes i + 8, then i + 4.
LLMRT_AVX2_INLINE __m128 FoldToFour(Lanes lanes) {
  const __m256 s8 = _mm256_add_ps(lanes.low, lanes.high);
  return _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
}

// The last two steps for four sums at once: element i of the result is the sum of argument i.
LLMRT_AVX2_INLINE __m128 FoldFourSums(__m128 a, __m128 b, __m128 c, __m128 d) {
  const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
  const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
  return _mm_add_ps(_mm_shuffle_ps(ab, cd, _MM_SHUFFLE(2, 0, 2, 0)),
                    _mm_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 1, 3, 1)));
}

LLMRT_AVX2_INLINE float TreeSum(Lanes lanes) {
  const __m128 s4 = FoldToFour(lanes);
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

// All ones in the first `count` (0 to 8) of eight elements: for masked loads and stores.
LLMRT_AVX2_INLINE __m256i FirstMask(int64_t count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), index);
}

// Eight values at in[k..] of a row of n, zeros beyond its end, which is not read.
LLMRT_AVX2_INLINE __m256 LoadPadded(const float* in, int64_t k, int64_t n) {
  if (k + 8 <= n) return _mm256_loadu_ps(in + k);
  if (k >= n) return _mm256_setzero_ps();
  return _mm256_maskload_ps(in + k, FirstMask(n - k));
}

LLMRT_AVX2_INLINE void StorePadded(float* out, int64_t k, int64_t n, __m256 value) {
  if (k + 8 <= n) {
    _mm256_storeu_ps(out + k, value);
  } else {
    _mm256_maskstore_ps(out + k, FirstMask(n - k), value);
  }
}

// 2^n, as numerics::PowerOfTwo.
LLMRT_AVX2_INLINE __m256 PowerOfTwo(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

// numerics::Exp.
LLMRT_AVX2_INLINE __m256 Exp(__m256 x) {
  namespace c = numerics::constants;
  const __m256 low = _mm256_set1_ps(c::kExpMin), high = _mm256_set1_ps(c::kExpMax);
  // MAXPS and MINPS give their second operand where one is NaN, as the selects of the scalar code
  // do.
  const __m256 clamped = _mm256_min_ps(high, _mm256_max_ps(low, x));
  const __m256 magic = _mm256_set1_ps(c::kRoundMagic);
  const __m256 shifted = _mm256_fmadd_ps(clamped, _mm256_set1_ps(c::kLog2E), magic);
  const __m256 n = _mm256_sub_ps(shifted, magic);
  __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-c::kLn2Hi), clamped);
  r = _mm256_fmadd_ps(n, _mm256_set1_ps(-c::kLn2Lo), r);
  __m256 p = _mm256_set1_ps(c::kExpC6);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c::kExpC5));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c::kExpC4));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c::kExpC3));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c::kExpC2));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  const __m256i exponent = _mm256_sub_epi32(
      _mm256_castps_si256(shifted), _mm256_set1_epi32(static_cast<int>(c::kRoundMagicBits)));
  const __m256i half = _mm256_srai_epi32(exponent, 1);
  __m256 result = _mm256_mul_ps(_mm256_mul_ps(p, PowerOfTwo(half)),
                                PowerOfTwo(_mm256_sub_epi32(exponent, half)));
  result = _mm256_andnot_ps(_mm256_cmp_ps(x, low, _CMP_LT_OQ), result);
  result =
      _mm256_blendv_ps(result, _mm256_set1_ps(c::kInfinity), _mm256_cmp_ps(x, high, _CMP_GT_OQ));
  const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(c::kNanBits)));
  return _mm256_blendv_ps(result, nan, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

// numerics::Silu: x / (1 + e^-x).
LLMRT_AVX2_INLINE __m256 Silu(__m256 x) {
  const __m256 exp = Exp(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f)));
  return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), exp));
}

// Eight bfloat16 to float32.
LLMRT_AVX2_INLINE __m256 WidenBF16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

// numerics::F32ToBF16, eight values: nearest even, NaN quiet.
LLMRT_AVX2_INLINE __m128i NarrowBF16(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
  const __m256i narrow = _mm256_blendv_epi8(rounded, quiet, nan);
  // PACKUSDW packs within halves of 128 bits: bring the two results together.
  const __m256i packed = _mm256_packus_epi32(narrow, narrow);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0)));
}

}  // namespace llmrt::cpu::avx2
