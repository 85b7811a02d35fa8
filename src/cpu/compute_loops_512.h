// What the loops in vectors of 512 bits share: the tile of sums, and what is made of it. For the
// compute_ceilings_*.cc of those instruction sets only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace llmrt::cpu {

// 4 x 64 sums, in 16 of the 32 registers.
constexpr int kFactors = 4;
constexpr int kVectors = 4;
constexpr int kTile = kVectors * kFactors;

// The sum of 16 lanes, modulo 2^32. (GCC's own reduction adds signed numbers, which must not wrap.)
static inline __attribute__((always_inline)) uint32_t SumBits(__m512i lanes) {
  alignas(64) uint32_t each[16];
  _mm512_store_si512(each, lanes);
  uint32_t sum = 0;
  for (const uint32_t lane : each) sum += lane;
  return sum;
}

}  // namespace llmrt::cpu
