// The loops of AVX2 and FMA. Twelve accumulators hide an FMA's latency on every processor that has
// two units for it (4 or 5 cycles x 2); 16 registers hold them, three factors and one operand.
#include <immintrin.h>

#include "cpu/compute_loops.h"

namespace llmrt::cpu {
namespace {

constexpr int kFactors = 3;
constexpr int kVectors = 4;  // of operands that every factor is multiplied with
constexpr int kTile = kVectors * kFactors;
constexpr int kFloatVectors = sizeof(ComputeOperands::floats) / 32;
constexpr int kByteVectors = sizeof(ComputeOperands::bytes) / 32;

uint32_t SumBits(__m256i value) {
  const __m128i half =
      _mm_add_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256(value, 1));
  const __m128i pair = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_srli_epi64(pair, 32))));
}

// As in a product with a tile of 3 x 32: an operand is loaded once for three multiplications.
uint32_t RunFloat(const ComputeOperands& operands, int64_t rounds) {
  __m256 sums[kTile];
#pragma GCC unroll 12
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
    __m256 factors[kFactors];
#pragma GCC unroll 4
    for (int f = 0; f < kFactors; ++f) {
      factors[f] = _mm256_broadcast_ss(operands.floats + (round * kFactors + f) % 1024);
    }
#pragma GCC unroll 1
    for (int i = 0; i < kFloatVectors; i += kVectors) {
#pragma GCC unroll 12
      for (int k = 0; k < kTile; ++k) {
        const __m256 operand = _mm256_load_ps(operands.floats + (i + k / kFactors) * 8);
        sums[k] = _mm256_fmadd_ps(operand, factors[k % kFactors], sums[k]);
      }
    }
  }
  __m256i all = _mm256_setzero_si256();
#pragma GCC unroll 12
  for (const __m256 sum : sums) all = _mm256_add_epi32(all, _mm256_castps_si256(sum));
  return SumBits(all);
}

// 15 x 127 x 2 products of a pair are at most 3810, and eight of these fit an int16: so seven of
// eight additions are of 16 bits, and every eighth widens.
uint32_t RunInt8(const ComputeOperands& operands, int64_t rounds) {
  constexpr int kRun = 8;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kFactors];
#pragma GCC unroll 3
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (int64_t round = 0; round < rounds; ++round) {
    __m256i factors[kFactors];
#pragma GCC unroll 4
    for (int f = 0; f < kFactors; ++f) {
      const int64_t place = (round * kFactors + f) % kByteVectors;
      factors[f] = _mm256_load_si256(reinterpret_cast<const __m256i*>(operands.bytes) + place);
    }
    const auto* nibbles = reinterpret_cast<const __m256i*>(operands.nibbles);
#pragma GCC unroll 1
    for (int i = 0; i < kByteVectors; i += kRun) {
      __m256i run[kFactors];
#pragma GCC unroll 8
      for (int v = 0; v < kRun; ++v) {
        const __m256i operand = _mm256_load_si256(nibbles + i + v);
#pragma GCC unroll 3
        for (int f = 0; f < kFactors; ++f) {
          const __m256i products = _mm256_maddubs_epi16(operand, factors[f]);
          run[f] = v == 0 ? products : _mm256_add_epi16(run[f], products);
          // A compiler that adds the eight in another order keeps all of them, in memory.
          __asm__("" : "+x"(run[f]));
        }
      }
#pragma GCC unroll 3
      for (int f = 0; f < kFactors; ++f) {
        sums[f] = _mm256_add_epi32(sums[f], _mm256_madd_epi16(run[f], ones));
      }
    }
  }
  return SumBits(_mm256_add_epi32(sums[0], _mm256_add_epi32(sums[1], sums[2])));
}

}  // namespace

const ComputeLoop kFloatAvx2Loop = {
    .operations_per_round = int64_t{2} * 8 * kFactors * kFloatVectors, .run = RunFloat};
const ComputeLoop kInt8Avx2Loop = {
    .operations_per_round = int64_t{2} * 32 * kFactors * kByteVectors, .run = RunInt8};

}  // namespace llmrt::cpu
