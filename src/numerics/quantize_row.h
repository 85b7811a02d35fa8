// Activations to INT8 in blocks of 32 (NUMERICS D). Plain IEEE operations: every tier and device
// gives the same q, scale and sum.
#pragma once

#include <cstdint>

#include "numerics/exact_math_constants.h"
#include "numerics/host_device.h"

namespace llmrt::numerics {

inline constexpr int kQuantBlock = 32;

// Writes q[0..31] and *sum = q[0] + ... + q[31] (exact), returns the scale d:
//   amax = max |x|, d = amax / 127, q = round to nearest even of x * (1 / d), held to +-127.
// x has n <= 32 values; the rest of the block counts as zero.
// d below the smallest normal float (amax < 127 * 2^-126) counts as 0 and gives q = 0: denormals
// are flushed in all compute, and 1 / d stays finite. If any x is NaN or infinite, d is NaN and q
// is 0: every product with the block is then NaN, which sampling reports as an error.
LLMRT_HOST_DEVICE inline float QuantizeBlock32(const float* x, int n, int8_t* q, int32_t* sum) {
  // As bits, magnitudes order like the numbers, with infinity and then NaN on top: no NaN is lost
  // in the maximum.
  uint32_t top = 0;
  for (int i = 0; i < n; ++i) {
    const uint32_t magnitude = FloatBits(x[i]) & 0x7fffffffu;
    top = magnitude > top ? magnitude : top;
  }
  *sum = 0;
  for (int i = 0; i < kQuantBlock; ++i) q[i] = 0;
  if (top >= 0x7f800000u) return BitsToFloat(constants::kNanBits);
  const float d = BitsToFloat(top) / 127.0f;
  if (!(d >= constants::kMinNormal)) return 0.0f;
  const float inverse = 1.0f / d;
  for (int i = 0; i < n; ++i) {
    // |x * inverse| < 127.1, so the addition rounds to an integer (constants.h), to nearest even as
    // vector code does.
    float rounded = (x[i] * inverse + constants::kRoundMagic) - constants::kRoundMagic;
    rounded = rounded > 127.0f ? 127.0f : rounded;
    rounded = rounded < -127.0f ? -127.0f : rounded;
    q[i] = static_cast<int8_t>(rounded);
    *sum += q[i];
  }
  return d;
}

}  // namespace llmrt::numerics
