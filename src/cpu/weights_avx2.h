// The quantized weight types in AVX2: 32 values of a block as bytes, and scales of several blocks.
// What the bits mean is told in quant/integer_block.cc; these functions give the same numbers. For
// *_avx2.cc only; static and inlined by force like vector_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "backend/weight_type.h"
#include "cpu/vector_avx2.h"

namespace llmrt::cpu::avx2 {

using backend::WeightType;

LLMRT_AVX2_INLINE __m128i Load16(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

LLMRT_AVX2_INLINE __m256i Load32(const uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

LLMRT_AVX2_INLINE uint32_t LoadU32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

LLMRT_AVX2_INLINE int LoadU16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

LLMRT_AVX2_INLINE float LoadF16(const uint8_t* bytes) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(LoadU16(bytes))));
}

// 16 bytes of nibbles: the low ones are values 0-15, the high ones 16-31.
LLMRT_AVX2_INLINE __m256i UnpackNibbles(const uint8_t* bytes) {
  const __m128i packed = Load16(bytes);
  const __m256i both = _mm256_set_m128i(_mm_srli_epi16(packed, 4), packed);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// 16 in byte i where bit i of `bits` is set.
LLMRT_AVX2_INLINE __m256i SpreadFifthBits(uint32_t bits) {
  const __m256i source =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i select = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), source);
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, select), select);
  return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

// The nibbles of part `part` (0-7) of a K block's 128 bytes, 32 bytes for two parts.
LLMRT_AVX2_INLINE __m256i UnpackKNibbles(const uint8_t* bytes, int part) {
  const __m256i packed = Load32(bytes + part / 2 * 32);
  return _mm256_and_si256(_mm256_srli_epi16(packed, part % 2 * 4), _mm256_set1_epi8(15));
}

LLMRT_AVX2_INLINE __m256i UnpackQ5_K(const uint8_t* super, int part) {
  const __m256i high = _mm256_srli_epi16(Load32(super + 16), part);  // bit 0 of each byte counts
  const __m256i fifth = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(1)), 4);
  return _mm256_or_si256(UnpackKNibbles(super + 48, part), fifth);
}

LLMRT_AVX2_INLINE __m256i UnpackQ6_K(const uint8_t* super, int part) {
  const int half = part / 4, quarter = part % 4;
  const __m256i packed = Load32(super + half * 64 + quarter % 2 * 32);
  const __m256i low =
      _mm256_and_si256(_mm256_srli_epi16(packed, quarter / 2 * 4), _mm256_set1_epi8(15));
  const __m256i pairs = _mm256_srli_epi16(Load32(super + 128 + half * 32), 2 * quarter);
  const __m256i high = _mm256_slli_epi16(_mm256_and_si256(pairs, _mm256_set1_epi8(3)), 4);
  return _mm256_sub_epi8(_mm256_or_si256(low, high), _mm256_set1_epi8(32));
}

// Block `block` of 32 values of a row. Q8_0 and Q6_K: signed as they are. The others: unsigned,
// Q4_0 8 and Q5_0 16 above their value.
template <WeightType kType>
LLMRT_AVX2_INLINE __m256i UnpackBlock(const uint8_t* row, int64_t block) {
  constexpr backend::BlockGeometry kGeometry = backend::GeometryOf(kType);
  const uint8_t* start = row + block / (kGeometry.values / 32) * kGeometry.bytes;
  const int part = static_cast<int>(block % (kGeometry.values / 32));
  switch (kType) {
    case WeightType::kQ4_0:
      return UnpackNibbles(start + 2);
    case WeightType::kQ4_1:
      return UnpackNibbles(start + 4);
    case WeightType::kQ5_0:
      return _mm256_or_si256(UnpackNibbles(start + 6), SpreadFifthBits(LoadU32(start + 2)));
    case WeightType::kQ5_1:
      return _mm256_or_si256(UnpackNibbles(start + 8), SpreadFifthBits(LoadU32(start + 4)));
    case WeightType::kQ4_K:
      return UnpackKNibbles(start + 16, part);
    case WeightType::kQ5_K:
      return UnpackQ5_K(start, part);
    case WeightType::kQ6_K:
      return UnpackQ6_K(start, part);
    default:
      return Load32(start + 2);  // Q8_0
  }
}

// Numbers at `offset` bytes into block `block` of eight rows, f16, to float32.
LLMRT_AVX2_INLINE __m256 GatherF16(const uint8_t* const (&rows)[8], int64_t offset) {
  __m128i bits = _mm_cvtsi32_si128(LoadU16(rows[0] + offset));
  bits = _mm_insert_epi16(bits, LoadU16(rows[1] + offset), 1);
  bits = _mm_insert_epi16(bits, LoadU16(rows[2] + offset), 2);
  bits = _mm_insert_epi16(bits, LoadU16(rows[3] + offset), 3);
  bits = _mm_insert_epi16(bits, LoadU16(rows[4] + offset), 4);
  bits = _mm_insert_epi16(bits, LoadU16(rows[5] + offset), 5);
  bits = _mm_insert_epi16(bits, LoadU16(rows[6] + offset), 6);
  bits = _mm_insert_epi16(bits, LoadU16(rows[7] + offset), 7);
  return _mm256_cvtph_ps(bits);
}

// The eight scales and eight offsets of a Q4_K or Q5_K block (quant/k_scales.h has the 12 bytes).
struct KScales {
  __m256 scale;
  __m256 offset;
};

LLMRT_AVX2_INLINE KScales LoadKScales(const uint8_t* super) {
  const uint32_t u0 = LoadU32(super + 4), u1 = LoadU32(super + 8), u2 = LoadU32(super + 12);
  const uint64_t scale_low = u0 & 0x3f3f3f3fu;
  const uint64_t scale_high = (u2 & 0x0f0f0f0fu) | (u0 >> 6 & 0x03030303u) << 4;
  const uint64_t min_low = u1 & 0x3f3f3f3fu;
  const uint64_t min_high = (u2 >> 4 & 0x0f0f0f0fu) | (u1 >> 6 & 0x03030303u) << 4;
  const __m128i scales = _mm_cvtsi64_si128(static_cast<int64_t>(scale_low | scale_high << 32));
  const __m128i mins = _mm_cvtsi64_si128(static_cast<int64_t>(min_low | min_high << 32));
  const __m256 scale = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scales));
  const __m256 min = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(mins));
  const __m256 offset = _mm256_mul_ps(_mm256_set1_ps(LoadF16(super + 2)), min);
  return {_mm256_mul_ps(_mm256_set1_ps(LoadF16(super)), scale),
          _mm256_xor_ps(offset, _mm256_set1_ps(-0.0f))};
}

// Scales 8 * half to 8 * half + 7 of the sixteen of a Q6_K block, in order of k.
LLMRT_AVX2_INLINE __m256 LoadQ6_KScales(const uint8_t* super, int half) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(super + 192 + half * 8));
  return _mm256_mul_ps(_mm256_set1_ps(LoadF16(super + 208)),
                       _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
}

}  // namespace llmrt::cpu::avx2
