// The integer weight of a logit for sampling: floor(2^40 e^d) for d = logit - max <= 0. Integers
// make every sum of weights exact and so independent of its order: 2^40 times 2^23 tokens still fit
// 64 bits.
#pragma once

#include <cstdint>

#include "numerics/host_device.h"

namespace llmrt::numerics {

inline constexpr uint64_t kExpWeightOne = uint64_t{1} << 40;  // the weight of the largest logit

// Computed in float64 by +, * and fma with a relative error under 2^-51, that is under 2^-11 in the
// weight before the floor: the result is the true floor wherever 2^40 e^d lies farther than 2^-11
// from an integer, and is never off by more than one. e^d < 2^-40 (d < -27.726) and d = -inf give
// 0; d > 0 counts as 0. d must not be NaN (it gives 0).
LLMRT_HOST_DEVICE inline uint64_t ExpWeight40(float d) {
  if (!(d >= -27.73f)) return 0;
  if (d >= 0.0f) return kExpWeightOne;
  // d = n ln 2 + r; adding 1.5 * 2^52 rounds to an integer. kHi has 42 bits: n * kHi is exact.
  constexpr double kMagic = 6755399441055744.0;
  constexpr double kLog2E = 0x1.71547652b82fep+0, kHi = 0x1.62e42fefa38p-1,
                   kLo = 0x1.ef35793c7673p-45;
  const double x = d;
  const double shifted = Fma(x, kLog2E, kMagic);
  const double n = shifted - kMagic;
  const double r = Fma(n, -kLo, Fma(n, -kHi, x));
  // The Taylor sum to r^13 / 13!: |r| <= 0.347, so what is left out is below 2^-57.
  double p = 1.0 / 6227020800.0;
  p = Fma(p, r, 1.0 / 479001600.0);
  p = Fma(p, r, 1.0 / 39916800.0);
  p = Fma(p, r, 1.0 / 3628800.0);
  p = Fma(p, r, 1.0 / 362880.0);
  p = Fma(p, r, 1.0 / 40320.0);
  p = Fma(p, r, 1.0 / 5040.0);
  p = Fma(p, r, 1.0 / 720.0);
  p = Fma(p, r, 1.0 / 120.0);
  p = Fma(p, r, 1.0 / 24.0);
  p = Fma(p, r, 1.0 / 6.0);
  p = Fma(p, r, 0.5);
  p = Fma(p, r, 1.0);
  p = Fma(p, r, 1.0);
  // p 2^(n + 40) by exponent bits: exact, n + 40 is in [0, 40] up to rounding at the ends.
  const int64_t exponent = static_cast<int64_t>(DoubleBits(shifted) - DoubleBits(kMagic)) + 40;
  const double weight = p * BitsToDouble(static_cast<uint64_t>(exponent + 1023) << 52);
  return static_cast<uint64_t>(weight);
}

}  // namespace llmrt::numerics
