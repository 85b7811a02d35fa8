// Sixteen floats at a time: the functions of src/numerics in AVX-512, step for step and so bit for
// bit. One register holds the sixteen virtual lanes of numerics/lanes.h. For *_avx512.cc and what
// is compiled with its flags only. Everything is static and inlined by force: a weak symbol made
// of these instructions could be linked into code for older processors.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "numerics/exact_math_constants.h"

#define LLMRT_AVX512_INLINE static inline __attribute__((always_inline))

namespace llmrt::cpu::avx512 {

LLMRT_AVX512_INLINE int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }

LLMRT_AVX512_INLINE int64_t RoundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// The first `count` of sixteen elements; none from 0 down, all from 16 up.
LLMRT_AVX512_INLINE __mmask16 FirstMask(int64_t count) {
  if (count >= 16) return 0xffff;
  return count <= 0 ? 0 : static_cast<__mmask16>((1u << count) - 1);
}

// Sixteen values at in[k..] of a row of n, zeros beyond its end, which is not read.
LLMRT_AVX512_INLINE __m512 LoadPadded(const float* in, int64_t k, int64_t n) {
  if (k + 16 <= n) return _mm512_loadu_ps(in + k);
  return _mm512_maskz_loadu_ps(FirstMask(n - k), in + k);
}

LLMRT_AVX512_INLINE void StorePadded(float* out, int64_t k, int64_t n, __m512 value) {
  if (k + 16 <= n) {
    _mm512_storeu_ps(out + k, value);
  } else {
    _mm512_mask_storeu_ps(out + k, FirstMask(n - k), value);
  }
}

// The same for sixteen values of 16 bits.
LLMRT_AVX512_INLINE __m256i LoadPadded16(const uint16_t* in, int64_t k, int64_t n) {
  if (k + 16 <= n) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + k));
  return _mm256_maskz_loadu_epi16(FirstMask(n - k), in + k);
}

LLMRT_AVX512_INLINE void StorePadded16(uint16_t* out, int64_t k, int64_t n, __m256i value) {
  if (k + 16 <= n) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + k), value);
  } else {
    _mm256_mask_storeu_epi16(out + k, FirstMask(n - k), value);
  }
}

// The first two steps of numerics::TreeSum16: lane i takes i + 8, then i + 4.
LLMRT_AVX512_INLINE __m128 FoldToFour(__m512 lanes) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  return _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
}

// The last two steps for four sums at once: element i of the result is the sum of argument i.
LLMRT_AVX512_INLINE __m128 FoldFourSums(__m128 a, __m128 b, __m128 c, __m128 d) {
  const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
  const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
  return _mm_add_ps(_mm_shuffle_ps(ab, cd, _MM_SHUFFLE(2, 0, 2, 0)),
                    _mm_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 1, 3, 1)));
}

// numerics::TreeSum16.
LLMRT_AVX512_INLINE float TreeSum(__m512 lanes) {
  const __m128 s4 = FoldToFour(lanes);
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

// The largest of the sixteen, which are no NaN.
LLMRT_AVX512_INLINE float TreeMax(__m512 lanes) {
  const __m256 m8 = _mm256_max_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  const __m128 m4 = _mm_max_ps(_mm256_castps256_ps128(m8), _mm256_extractf128_ps(m8, 1));
  const __m128 m2 = _mm_max_ps(m4, _mm_movehl_ps(m4, m4));
  return _mm_cvtss_f32(_mm_max_ss(m2, _mm_movehdup_ps(m2)));
}

// numerics::Exp. Its steps but one: the last two multiplications, by two powers of two that are
// exact, are one VSCALEFPS, which rounds (and flushes) the same product once. Arguments out of
// range are not clamped, since their results are replaced.
LLMRT_AVX512_INLINE __m512 Exp(__m512 x) {
  namespace c = numerics::constants;
  const __m512 low = _mm512_set1_ps(c::kExpMin), high = _mm512_set1_ps(c::kExpMax);
  const __m512 magic = _mm512_set1_ps(c::kRoundMagic);
  const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(c::kLog2E), magic), magic);
  __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-c::kLn2Hi), x);
  r = _mm512_fmadd_ps(n, _mm512_set1_ps(-c::kLn2Lo), r);
  __m512 p = _mm512_set1_ps(c::kExpC6);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c::kExpC5));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c::kExpC4));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c::kExpC3));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c::kExpC2));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  // Not below kExpMin, NaN included: zero where the mask is not set.
  __m512 result = _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, low, _CMP_NLT_UQ), p, n);
  result = _mm512_mask_mov_ps(result, _mm512_cmp_ps_mask(x, high, _CMP_GT_OQ),
                              _mm512_set1_ps(c::kInfinity));
  const __m512 nan = _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(c::kNanBits)));
  return _mm512_mask_mov_ps(result, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), nan);
}

// numerics::Silu: x / (1 + e^-x).
LLMRT_AVX512_INLINE __m512 Silu(__m512 x) {
  const __m512 exp = Exp(_mm512_xor_ps(x, _mm512_set1_ps(-0.0f)));
  return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1.0f), exp));
}

// Sixteen halves to float32 and back, to nearest even; as numerics::F16ToF32 and F32ToF16.
LLMRT_AVX512_INLINE __m512 WidenF16(__m256i bits) { return _mm512_cvtph_ps(bits); }
LLMRT_AVX512_INLINE __m256i NarrowF16(__m512 value) {
  return _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// Sixteen bfloat16 to float32.
LLMRT_AVX512_INLINE __m512 WidenBF16(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// numerics::F32ToBF16, sixteen values: nearest even, NaN quiet.
LLMRT_AVX512_INLINE __m256i NarrowBF16(__m512 value) {
  const __m512i bits = _mm512_castps_si512(value);
  const __m512i top = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
  const __m512i bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, top, _mm512_set1_epi32(0x40)));
}

}  // namespace llmrt::cpu::avx512
