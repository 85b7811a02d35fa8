// exp, log, log1p, sigmoid and SiLU in float32: THE definition that every tier and device shares,
// bit for bit. IEEE operations and explicit fused multiply-adds only, no libm, no tables, no
// branches: every choice is a select, so that vector code reproduces a function by doing its steps
// in the same order with the constants of exact_math_constants.h.
//
// Largest errors against the true value, over all floats (tests/numerics/exact_math_test.cc;
// LLMRT_EXHAUSTIVE=1 runs all 2^32): Exp 0.90 ulp, Log 0.89, Log1p 1.6, Sigmoid 2.5, Silu 2.4.
//
// No subnormal is ever needed or produced by Exp, Log and Log1p (Log1p returns a subnormal argument
// as it is), so their bits do not depend on the processor's denormal mode. Sigmoid flushes what
// would be subnormal. Rounding must be to nearest even (fp_mode.h). NaN in gives the NaN 0x7fc00000
// from all but Silu, whose NaN bits are unspecified.
#pragma once

#include <cstdint>

#include "numerics/exact_math_constants.h"
#include "numerics/host_device.h"

namespace llmrt::numerics {

// 2^n for -126 <= n <= 127 (other n: unspecified bits, never a trap).
LLMRT_HOST_DEVICE inline float PowerOfTwo(int32_t n) {
  return BitsToFloat((static_cast<uint32_t>(n) + 127u) << 23);
}

// e^x; 0 for x < -87.3365 (where the result would be subnormal), infinite for x > 88.72283.
LLMRT_HOST_DEVICE inline float Exp(float x) {
  namespace c = constants;
  // Clamping keeps the steps below in range; the operand order lets NaN through, as MAXPS and MINPS
  // do.
  float clamped = c::kExpMin > x ? c::kExpMin : x;
  clamped = c::kExpMax < clamped ? c::kExpMax : clamped;
  // x = n ln 2 + r with |r| <= ln(2) / 2, n in [-126, 128].
  const float shifted = Fma(clamped, c::kLog2E, c::kRoundMagic);
  const float n = shifted - c::kRoundMagic;
  float r = Fma(n, -c::kLn2Hi, clamped);
  r = Fma(n, -c::kLn2Lo, r);
  float p = c::kExpC6;
  p = Fma(p, r, c::kExpC5);
  p = Fma(p, r, c::kExpC4);
  p = Fma(p, r, c::kExpC3);
  p = Fma(p, r, c::kExpC2);
  p = Fma(p, r, 1.0f);
  p = Fma(p, r, 1.0f);
  // 2^128 is no float: scale in two exact steps.
  const int32_t exponent = static_cast<int32_t>(FloatBits(shifted) - c::kRoundMagicBits);
  const int32_t half = exponent >> 1;
  float result = p * PowerOfTwo(half) * PowerOfTwo(exponent - half);
  result = x < c::kExpMin ? 0.0f : result;
  result = x > c::kExpMax ? c::kInfinity : result;
  return x != x ? BitsToFloat(c::kNanBits) : result;
}

// k ln 2 + log(1 + f) for f in about [-1/3, 1/3] and an integer k: what Log and Log1p have in
// common.
LLMRT_HOST_DEVICE inline float LogOfParts(float k, float f) {
  namespace c = constants;
  const float square = f * f;
  float p = c::kLogC10;
  p = Fma(p, f, c::kLogC9);
  p = Fma(p, f, c::kLogC8);
  p = Fma(p, f, c::kLogC7);
  p = Fma(p, f, c::kLogC6);
  p = Fma(p, f, c::kLogC5);
  p = Fma(p, f, c::kLogC4);
  p = Fma(p, f, c::kLogC3);
  p = Fma(p, f, c::kLogC2);
  // Small to large: the two corrections, then f, then k times the exact upper part of ln 2.
  const float low = Fma(p, square, k * c::kLn2Lo);
  return Fma(k, c::kLn2Hi, f + low);
}

// The natural logarithm; zeros and subnormals give -inf, what lies below them NaN, +inf gives +inf.
LLMRT_HOST_DEVICE inline float Log(float x) {
  namespace c = constants;
  // x = 2^k m with m in [2/3, 4/3), so that f = m - 1 is exact and k = 0 around x = 1 (no
  // cancellation there).
  const uint32_t bits = FloatBits(x);
  const int32_t k = static_cast<int32_t>(bits - c::kLogCentreBits) >> 23;
  const float f = BitsToFloat(bits - (static_cast<uint32_t>(k) << 23)) - 1.0f;
  float result = LogOfParts(static_cast<float>(k), f);
  result = x < c::kMinNormal ? -c::kInfinity : result;
  result = x <= -c::kMinNormal ? BitsToFloat(c::kNanBits) : result;
  result = x == c::kInfinity ? c::kInfinity : result;
  return x != x ? BitsToFloat(c::kNanBits) : result;
}

// log(1 + x), accurate also for small x; -1 gives -inf, below it NaN.
LLMRT_HOST_DEVICE inline float Log1p(float x) {
  namespace c = constants;
  // 1 + x = 2^k (1 + f). The rounded sum only chooses k; f = 2^-k x + (2^-k - 1) comes from x
  // itself, rounded once (for k = 0, f = x). 2^-128 is subnormal, so x is scaled in two exact
  // steps; kept or flushed, 2^-128 - 1 is -1.
  const float sum = 1.0f + x;
  const int32_t k = static_cast<int32_t>(FloatBits(sum) - c::kLogCentreBits) >> 23;
  const int32_t half = k >> 1;
  const float first = PowerOfTwo(-half);
  const float second = PowerOfTwo(half - k);
  const float f = Fma(x * first, second, first * second - 1.0f);
  float result = LogOfParts(static_cast<float>(k), f);
  result = x == -1.0f ? -c::kInfinity : result;
  result = x < -1.0f ? BitsToFloat(c::kNanBits) : result;
  result = x == c::kInfinity ? c::kInfinity : result;
  const float magnitude = BitsToFloat(FloatBits(x) & 0x7fffffffu);
  result = magnitude < c::kMinNormal ? x : result;
  return x != x ? BitsToFloat(c::kNanBits) : result;
}

// 1 / (1 + e^-x); 0 for x < -87.3365 (where the result would be subnormal).
LLMRT_HOST_DEVICE inline float Sigmoid(float x) {
  namespace c = constants;
  const float result = 1.0f / (1.0f + Exp(-x));
  const float flushed = x < c::kExpMin ? 0.0f : result;
  return x != x ? BitsToFloat(c::kNanBits) : flushed;
}

// x / (1 + e^-x); -0 for -inf < x < -88.72283; -inf gives NaN (an infinite activation is an error
// worth seeing).
LLMRT_HOST_DEVICE inline float Silu(float x) { return x / (1.0f + Exp(-x)); }

}  // namespace llmrt::numerics
