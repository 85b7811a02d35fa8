// The loop of AVX-512: a tile of 4 x 64 floats in 16 of the 32 registers.
#include <immintrin.h>

#include "cpu/compute_loops.h"
#include "cpu/compute_loops_512.h"

namespace llmrt::cpu {
namespace {

constexpr int kFloatVectors = sizeof(ComputeOperands::floats) / 64;

uint32_t RunFloat(const ComputeOperands& operands, int64_t rounds) {
  __m512 sums[kTile];
#pragma GCC unroll 16
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
    __m512 factors[kFactors];
#pragma GCC unroll 4
    for (int f = 0; f < kFactors; ++f) {
      factors[f] = _mm512_set1_ps(operands.floats[(round * kFactors + f) % 1024]);
    }
#pragma GCC unroll 1
    for (int i = 0; i < kFloatVectors; i += kVectors) {
#pragma GCC unroll 16
      for (int k = 0; k < kTile; ++k) {
        const __m512 operand = _mm512_load_ps(operands.floats + (i + k / kFactors) * 16);
        sums[k] = _mm512_fmadd_ps(operand, factors[k % kFactors], sums[k]);
      }
    }
  }
  __m512i all = _mm512_setzero_si512();
#pragma GCC unroll 16
  for (const __m512 sum : sums) all = _mm512_add_epi32(all, _mm512_castps_si512(sum));
  return SumBits(all);
}

}  // namespace

const ComputeLoop kFloatAvx512Loop = {
    .operations_per_round = int64_t{2} * 16 * kFactors * kFloatVectors, .run = RunFloat};

}  // namespace llmrt::cpu
