// The loops of the dot products that came after AVX-512: bytes (AVX512-VNNI) and, on some of these
// processors, bfloat16 (AVX512-BF16). A tile of 4 x 64 sums in 16 registers.
#include <immintrin.h>

#include "cpu/compute_loops.h"
#include "cpu/compute_loops_512.h"

namespace llmrt::cpu {
namespace {

constexpr int kByteVectors = sizeof(ComputeOperands::bytes) / 64;
constexpr int kBFloatVectors = sizeof(ComputeOperands::bfloats) / 64;

__m512i Load(const void* vectors, int64_t index) {
  return _mm512_load_si512(static_cast<const uint8_t*>(vectors) + index * 64);
}

// Sums may wrap around, which costs nothing.
uint32_t RunInt8(const ComputeOperands& operands, int64_t rounds) {
  __m512i sums[kTile];
#pragma GCC unroll 16
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (int64_t round = 0; round < rounds; ++round) {
    __m512i factors[kFactors];
#pragma GCC unroll 4
    for (int f = 0; f < kFactors; ++f) {
      factors[f] = Load(operands.bytes, (round * kFactors + f) % kByteVectors);
    }
#pragma GCC unroll 1
    for (int i = 0; i < kByteVectors; i += kVectors) {
#pragma GCC unroll 16
      for (int k = 0; k < kTile; ++k) {
        const __m512i operand = Load(operands.nibbles, i + k / kFactors);
        sums[k] = _mm512_dpbusd_epi32(sums[k], operand, factors[k % kFactors]);
      }
    }
  }
  __m512i all = _mm512_setzero_si512();
#pragma GCC unroll 16
  for (const __m512i sum : sums) all = _mm512_add_epi32(all, sum);
  return SumBits(all);
}

__attribute__((target("avx512bf16"))) uint32_t RunBFloat(const ComputeOperands& operands,
                                                         int64_t rounds) {
  __m512 sums[kTile];
#pragma GCC unroll 16
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
    __m512bh factors[kFactors];
#pragma GCC unroll 4
    for (int f = 0; f < kFactors; ++f) {
      factors[f] = (__m512bh)Load(operands.bfloats, (round * kFactors + f) % kBFloatVectors);
    }
#pragma GCC unroll 1
    for (int i = 0; i < kBFloatVectors; i += kVectors) {
#pragma GCC unroll 16
      for (int k = 0; k < kTile; ++k) {
        const __m512bh operand = (__m512bh)Load(operands.bfloats, i + k / kFactors);
        sums[k] = _mm512_dpbf16_ps(sums[k], operand, factors[k % kFactors]);
      }
    }
  }
  __m512i all = _mm512_setzero_si512();
#pragma GCC unroll 16
  for (const __m512 sum : sums) all = _mm512_add_epi32(all, _mm512_castps_si512(sum));
  return SumBits(all);
}

}  // namespace

const ComputeLoop kInt8VnniLoop = {
    .operations_per_round = int64_t{2} * 64 * kFactors * kByteVectors, .run = RunInt8};
const ComputeLoop kBFloatVnniLoop = {
    .operations_per_round = int64_t{2} * 32 * kFactors * kBFloatVectors, .run = RunBFloat};

}  // namespace llmrt::cpu
