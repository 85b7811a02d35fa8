// The float64 functions against long double (64-bit mantissa on x86; elsewhere long double may be
// wider or the same, which only loosens the comparison by one ulp).
#include "numerics/exact_math_f64.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>

namespace llmrt::numerics {
namespace {

constexpr uint64_t kSeed = 20240521;
constexpr int kSamples = 400000;
// Two ulps of double: 2 * 2^-52. The derivation: reduction, polynomial and final operation each
// contribute about half.
constexpr double kBound = 4.5e-16;

double RelativeError(double got, long double truth) {
  return static_cast<double>(std::fabs((static_cast<long double>(got) - truth) / truth));
}

TEST(ExactMathF64Test, ExpIsWithinTwoUlps) {
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> uniform(-700.0, 700.0);
  double worst = 0.0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = i % 2 == 0 ? uniform(random) : uniform(random) / 700.0;
    worst = std::max(worst, RelativeError(ExpF64(x), std::exp(static_cast<long double>(x))));
  }
  std::printf("largest relative error %.3g\n", worst);
  EXPECT_LT(worst, kBound);
  EXPECT_EQ(ExpF64(0.0), 1.0);
  EXPECT_EQ(ExpF64(-INFINITY), 0.0);
  EXPECT_EQ(ExpF64(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(ExpF64(NAN)));
}

TEST(ExactMathF64Test, LogIsWithinTwoUlps) {
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> exponent(-1000.0, 1000.0), near_one(0.5, 2.0);
  double worst = 0.0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = i % 2 == 0 ? std::exp2(exponent(random)) : near_one(random);
    if (x == 1.0) continue;
    worst = std::max(worst, RelativeError(LogF64(x), std::log(static_cast<long double>(x))));
  }
  std::printf("largest relative error %.3g\n", worst);
  EXPECT_LT(worst, kBound);
  EXPECT_EQ(LogF64(1.0), 0.0);
  EXPECT_EQ(LogF64(0.0), -INFINITY);
  EXPECT_EQ(LogF64(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(LogF64(-1.0)));
  EXPECT_TRUE(std::isnan(LogF64(NAN)));
}

TEST(ExactMathF64Test, PowIsWithinTwoUlpsForRopeBases) {
  double worst = 0.0;
  for (double base : {10000.0, 500000.0, 1000000.0, 150000.0, 1.5, 3.0e8}) {
    for (int i = 0; i <= 4096; ++i) {
      const double exponent = -i / 4096.0;
      const long double truth =
          std::pow(static_cast<long double>(base), static_cast<long double>(exponent));
      worst = std::max(worst, RelativeError(PowF64(base, exponent), truth));
    }
  }
  std::printf("largest relative error %.3g\n", worst);
  EXPECT_LT(worst, kBound);
  EXPECT_EQ(PowF64(10000.0, 0.0), 1.0);
  EXPECT_TRUE(std::isnan(PowF64(-2.0, 0.5)));
  EXPECT_TRUE(std::isnan(PowF64(0.0, 0.5)));
}

TEST(ExactMathF64Test, SinCosIsWithinTwoUlpsUpToTwoToTheTwentyFourth) {
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> exponent(-20.0, 24.0);
  double absolute = 0.0;
  for (int i = 0; i < kSamples; ++i) {
    const double magnitude = std::exp2(exponent(random));
    const double x = i % 2 == 0 ? magnitude : -magnitude;
    const SinCosPair pair = SinCosF64(x);
    const long double sin_error = pair.sin - std::sin(static_cast<long double>(x));
    const long double cos_error = pair.cos - std::cos(static_cast<long double>(x));
    absolute = std::max({absolute, static_cast<double>(std::fabs(sin_error)),
                         static_cast<double>(std::fabs(cos_error))});
  }
  std::printf("largest absolute error %.3g\n", absolute);
  EXPECT_LT(absolute, 2.3e-16);  // one ulp of values in [0.5, 1]: 2^-53, doubled
}

TEST(ExactMathF64Test, SinCosIsRelativelyRightAtMultiplesOfHalfPi) {
  // The worst reduction: x is the double nearest to a multiple of pi / 2, the result r about 1e-10
  // to 1e-17, and so r itself to all its digits. Errors, each half an ulp, 2^-53 of its operand:
  // of r, which stands for the sine (its cube is below 2^-66 of it); of the last fma, which adds
  // r_low; and of r1 - r, an operand of r_low, which is about n * kPart2 and not exact where r is
  // much smaller than that. The long double truth adds 2^-64.
  constexpr double kPart2 = 0x1.1a62633145c07p-54;
  double worst = 0.0;
  for (int n = 1; n < 10000000; n = n * 3 + 1) {
    const double x = n * 1.5707963267948966;
    const SinCosPair pair = SinCosF64(x);
    const bool odd = n % 2 != 0;
    const long double truth =
        odd ? std::cos(static_cast<long double>(x)) : std::sin(static_cast<long double>(x));
    // long double's own argument is exact; glibc reduces it with enough bits.
    const double roundings = 2.001 + n * kPart2 / static_cast<double>(std::fabs(truth));
    const double error = RelativeError(odd ? pair.cos : pair.sin, truth);
    EXPECT_LE(error, roundings * 0x1p-53) << n;
    worst = std::max(worst, error);
  }
  std::printf("largest relative error %.3g\n", worst);
}

TEST(ExactMathF64Test, SinCosOutsideItsRangeIsNan) {
  for (double x :
       {16777217.0, -16777217.0, 1e300, static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
    EXPECT_TRUE(std::isnan(SinCosF64(x).sin));
    EXPECT_TRUE(std::isnan(SinCosF64(x).cos));
  }
  EXPECT_EQ(SinCosF64(0.0).sin, 0.0);
  EXPECT_EQ(SinCosF64(0.0).cos, 1.0);
}

}  // namespace
}  // namespace llmrt::numerics
