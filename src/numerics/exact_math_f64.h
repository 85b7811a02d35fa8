// exp, log, sin, cos and pow in float64 for tables that the host computes once (RoPE frequencies
// and angles). IEEE operations and explicit fused multiply-adds only, so that every machine builds
// the same table. Relative errors are about 1e-16 to 4e-16 (measured in
// tests/numerics/exact_math_f64_test.cc); these are not tuned for speed.
#pragma once

#include <cstdint>

#include "numerics/host_device.h"

namespace llmrt::numerics {

// An unevaluated sum of two doubles, |low| at most half an ulp of high: about 100 bits where a
// function says so.
struct DoublePair {
  double high;
  double low;
};

struct SinCosPair {
  double sin;
  double cos;
};

// 2^n for -1022 <= n <= 1023.
inline double PowerOfTwoF64(int64_t n) {
  return BitsToDouble(static_cast<uint64_t>(n + 1023) << 52);
}

// e^x for |x| <= 700; beyond that 0 or infinity. NaN gives NaN.
inline double ExpF64(double x) {
  if (x != x) return x;
  if (x > 700.0) return __builtin_inf();
  if (x < -700.0) return 0.0;
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  constexpr double kLog2E = 0x1.71547652b82fep+0, kHi = 0x1.62e42fefa38p-1,
                   kLo = 0x1.ef35793c7673p-45;
  const double shifted = Fma(x, kLog2E, kMagic);
  const double n = shifted - kMagic;
  const double r = Fma(n, -kLo, Fma(n, -kHi, x));
  // Taylor in Horner's form to r^14 / 14!: p = 1 + r/14, then 1 + p r/13, ...; |r| <= 0.347 leaves
  // out less than 2^-61.
  double p = 1.0;
  for (int i = 14; i >= 1; --i) p = Fma(p * (1.0 / i), r, 1.0);
  const int64_t exponent = static_cast<int64_t>(DoubleBits(shifted) - DoubleBits(kMagic));
  return p * PowerOfTwoF64(exponent);
}

// log x as a pair, good to about 2^-57 relative to the larger of |log x| and 2^-4, for normal x >
// 0.
inline DoublePair LogPairF64(double x) {
  const uint64_t bits = DoubleBits(x);
  // x = 2^k m, m in [2/3, 4/3).
  const int64_t k = static_cast<int64_t>(bits - 0x3fe5555555555555u) >> 52;
  const double f = BitsToDouble(bits - (static_cast<uint64_t>(k) << 52)) - 1.0;  // exact
  // log(1 + f) = 2 atanh(s), s = f / (2 + f), as a pair: d + d_low = 2 + f exactly.
  const double d = 2.0 + f;
  const double d_low = f - (d - 2.0);
  const double s = f / d;
  const double s_low = (Fma(-s, d, f) - s * d_low) / d;
  // 2 atanh(s) = 2 s + 2 s^3 (1/3 + s^2/5 + ...); |s| <= 1/5: the sum to s^26 leaves out less than
  // 2^-64.
  const double square = s * s;
  double p = 0.0;
  for (int i = 27; i >= 3; i -= 2) p = Fma(p, square, 1.0 / i);
  const double tail = Fma(2.0 * s * square, p, 2.0 * s_low);
  // k ln 2: the upper part has 32 bits and is exact for every k.
  constexpr double kHi = 0x1.62e42ffp-1, kLo = -0x1.718432a1b0e26p-35;
  const double big = static_cast<double>(k) * kHi;
  const double sum = big + 2.0 * s;
  const double rest = big == 0.0 ? 0.0 : 2.0 * s - (sum - big);  // |big| > |2 s| unless k = 0
  const double low = rest + Fma(static_cast<double>(k), kLo, tail);
  const double high = sum + low;
  return {high, low - (high - sum)};
}

// The natural logarithm. Zero and subnormals: -infinity; negative and NaN: NaN.
inline double LogF64(double x) {
  if (x != x || x <= -0x1p-1022) return __builtin_nan("");
  if (x < 0x1p-1022) return -__builtin_inf();
  if (x == __builtin_inf()) return x;
  return LogPairF64(x).high;
}

// base^exponent for a finite normal base > 0 (anything else gives NaN) and |exponent log base| <=
// 700.
inline double PowF64(double base, double exponent) {
  if (!(base >= 0x1p-1022) || base == __builtin_inf() || exponent != exponent)
    return __builtin_nan("");
  const DoublePair log = LogPairF64(base);
  const double product = exponent * log.high;
  const double error = Fma(exponent, log.high, -product) + exponent * log.low;
  const double power = ExpF64(product);
  return power == __builtin_inf() ? power : Fma(power, error, power);  // e^(p + error), error tiny
}

// Sine and cosine for |x| <= 2^24 (larger or NaN: both NaN), to about 1e-16 absolute and, away from
// the zeros, relative.
inline SinCosPair SinCosF64(double x) {
  if (!(x >= -16777216.0 && x <= 16777216.0)) return {__builtin_nan(""), __builtin_nan("")};
  constexpr double kMagic = 6755399441055744.0;
  constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  // pi / 2 in three parts. With n below 2^24 the first step is exact: both operands are multiples
  // of 2^-53 or the result is (n = 0 aside, where it is x), and the difference is below 1.
  constexpr double kPart1 = 0x1.921fb54442d18p+0, kPart2 = 0x1.1a62633145c07p-54,
                   kPart3 = -0x1.f1976b7ed8fbcp-110;
  const double shifted = Fma(x, kTwoOverPi, kMagic);
  const double n = shifted - kMagic;
  const double r1 = Fma(-n, kPart1, x);
  const double r = Fma(-n, kPart2, r1);
  const double r_low = Fma(-n, kPart3, Fma(-n, kPart2, r1 - r));
  const double square = r * r;
  // sin r = r - r^3/3! + ... to r^19, cos r = 1 - r^2/2! + ... to r^18, for |r| <= pi/4: what is
  // left is below 2^-64.
  double p = 1.0;
  for (int i = 18; i >= 4; i -= 2) p = Fma(p * (-1.0 / (i * (i + 1))), square, 1.0);
  const double sin_r = Fma(r * square * (-1.0 / 6.0), p, r);
  double q = 1.0;
  for (int i = 17; i >= 3; i -= 2) q = Fma(q * (-1.0 / (i * (i + 1))), square, 1.0);
  const double cos_r = Fma(-0.5 * square, q, 1.0);
  // The lower part of r, to first order.
  const double s = Fma(r_low, cos_r, sin_r);
  const double c = Fma(-r_low, sin_r, cos_r);
  switch (DoubleBits(shifted) & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

}  // namespace llmrt::numerics
