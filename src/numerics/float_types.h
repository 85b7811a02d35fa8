// Conversions between float32 and the 16-bit types, by integer arithmetic alone: no rounding or
// denormal mode of the processor can change them. They equal what F16C and AVX512-BF16 (with
// denormals kept) give, except that BF16 keeps denormals here; the instruction VCVTNEPS2BF16
// flushes them.
#pragma once

#include <cstdint>

#include "numerics/host_device.h"

namespace llmrt::numerics {

// Exact. A signalling NaN becomes quiet, its payload stays.
LLMRT_HOST_DEVICE inline float F16ToF32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  uint32_t mantissa = half & 0x3ffu;
  if (exponent == 31) {
    const uint32_t quiet = mantissa != 0 ? 0x00400000u : 0u;
    return BitsToFloat(sign | 0x7f800000u | quiet | mantissa << 13);
  }
  if (exponent != 0) return BitsToFloat(sign | (exponent + 112) << 23 | mantissa << 13);
  if (mantissa == 0) return BitsToFloat(sign);
  // A subnormal half, mantissa * 2^-24, is a normal float: shift its top bit into the hidden place.
  uint32_t biased = 113;  // 2^-14, the exponent that subnormal halves share
  while ((mantissa & 0x400u) == 0) {
    mantissa <<= 1;
    --biased;
  }
  return BitsToFloat(sign | biased << 23 | (mantissa & 0x3ffu) << 13);
}

// Shifts `value` right by `shift` (1 to 24) and rounds to nearest, ties to even.
LLMRT_HOST_DEVICE inline uint32_t ShiftRoundEven(uint32_t value, uint32_t shift) {
  const uint32_t half_less_one = (1u << (shift - 1)) - 1;
  return (value + half_less_one + (value >> shift & 1u)) >> shift;
}

// Round to nearest even; from 65520 up the result is infinite, below 2^-25 zero. NaN stays NaN:
// quiet, top ten bits of its payload kept.
LLMRT_HOST_DEVICE inline uint16_t F32ToF16(float value) {
  const uint32_t bits = FloatBits(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u | (magnitude >> 13 & 0x3ffu);
  } else if (magnitude >= 0x477ff000u) {  // 65520 = 65504 + half a unit in the last place
    half = 0x7c00u;
  } else if (magnitude >= 0x38800000u) {  // 2^-14, the smallest normal half
    // A carry out of the mantissa walks into the exponent, which is the right result.
    half = ShiftRoundEven(magnitude - (112u << 23), 13);
  } else if (magnitude > 0x33000000u) {  // above 2^-25: the unit is 2^-24
    const uint32_t exponent = magnitude >> 23;
    half = ShiftRoundEven((magnitude & 0x7fffffu) | 0x800000u, 126 - exponent);
  } else {
    half = 0;
  }
  return static_cast<uint16_t>(sign | half);
}

// Exact; a signalling NaN stays signalling (the bits are only moved).
LLMRT_HOST_DEVICE inline float BF16ToF32(uint16_t value) {
  return BitsToFloat(static_cast<uint32_t>(value) << 16);
}

// Round to nearest even, overflow to infinity, denormals kept, NaN quiet with the top of its
// payload.
LLMRT_HOST_DEVICE inline uint16_t F32ToBF16(float value) {
  const uint32_t bits = FloatBits(value);
  if (IsNan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace llmrt::numerics
