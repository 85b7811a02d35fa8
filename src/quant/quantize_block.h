// What the quantizers of single blocks share. Private to src/quant.
#pragma once

#include <algorithm>
#include <cstdint>

#include "numerics/float_types.h"

namespace llmrt::quant {

// Nearest integer, ties to even, clamped. Adding 1.5 * 2^23 leaves no fraction bits, so the
// addition itself rounds; the clamp comes first to keep the sum in that range (and sends a NaN to
// `low`).
inline int RoundClamped(float value, int low, int high) {
  const float clamped =
      std::min(std::max(static_cast<float>(low), value), static_cast<float>(high));
  constexpr float kMagic = 12582912.0f;
  return static_cast<int>((clamped + kMagic) - kMagic);
}

// 1 / scale, 0 for scale 0: a block of zeros has q 0.
inline float Inverse(float scale) { return scale == 0 ? 0.0f : 1.0f / scale; }

// Writes a scale as f16 and gives back what a reader will see.
inline float StoreF16(float value, uint8_t* bytes) {
  const uint16_t half = numerics::F32ToF16(value);
  bytes[0] = static_cast<uint8_t>(half);
  bytes[1] = static_cast<uint8_t>(half >> 8);
  return numerics::F16ToF32(half);
}

// One file block each: x holds 32 values (K types 256).
void QuantizeQ8_0(const float* x, uint8_t* block);
void QuantizeQ4_0(const float* x, uint8_t* block);
void QuantizeQ4_1(const float* x, uint8_t* block);
void QuantizeQ5_0(const float* x, uint8_t* block);
void QuantizeQ5_1(const float* x, uint8_t* block);
void QuantizeQ4_K(const float* x, uint8_t* block);
void QuantizeQ5_K(const float* x, uint8_t* block);
void QuantizeQ6_K(const float* x, uint8_t* block);

}  // namespace llmrt::quant
