// The loops that compute_ceilings.cc times: one instruction on operands from the first cache, over
// and over, as a matrix product would use it and with nothing else to do. As with kernel_table.h, a
// file for one instruction set includes nothing but this header and <immintrin.h>.
#pragma once

#include <cstdint>

namespace llmrt::cpu {

// Random and never zero: with zeros a processor draws less power, and some are faster for it. All
// of it fits the first cache.
struct alignas(64) ComputeOperands {
  float floats[1024];      // +-0.25 to +-1
  uint16_t bfloats[2048];  // bfloat16, the same
  uint8_t nibbles[4096];   // 1 to 15
  int8_t bytes[4096];      // +-1 to +-127
};

// Vectors of 32 or 64 bytes, or tiles of 1 KiB, of which each array has a whole number.
static_assert(sizeof(ComputeOperands) == 16 * 1024);

// A loop goes over the operands once a round; each multiply and each add is an operation. It
// returns something that depends on every result, so that none of them can be left out.
struct ComputeLoop {
  int64_t operations_per_round = 0;
  uint32_t (*run)(const ComputeOperands& operands, int64_t rounds) = nullptr;
};

#if defined(__x86_64__)
extern const ComputeLoop kFloatAvx2Loop;  // FMA: float32
extern const ComputeLoop kInt8Avx2Loop;   // VPMADDUBSW: 4-bit weights, eight products an int16
extern const ComputeLoop kFloatAvx512Loop;
extern const ComputeLoop kInt8VnniLoop;    // VPDPBUSD, 512 bits
extern const ComputeLoop kBFloatVnniLoop;  // VDPBF16PS, 512 bits
extern const ComputeLoop kInt8AmxLoop;     // TDPBSSD
extern const ComputeLoop kBFloatAmxLoop;   // TDPBF16PS
#endif

}  // namespace llmrt::cpu
