// The float32 functions against float64 (whose error, under 1e-15, is 2^-26 of a float's ulp and
// does not count). The default run samples about 17 million arguments a function;
// LLMRT_EXHAUSTIVE=1 takes all 2^32.
#include "numerics/exact_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "numerics/fp_mode.h"

namespace llmrt::numerics {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// The distance of `got` from the true value in units of the float32 spacing at the true value.
double ErrorUlps(float got, double truth) {
  if (static_cast<double>(got) == truth) return 0.0;
  if (std::isnan(got) || std::isnan(truth)) return std::isnan(got) && std::isnan(truth) ? 0.0 : 1e9;
  if (std::isinf(got) || std::isinf(truth)) return 1e9;
  const int exponent = std::max(std::ilogb(truth), -126);
  return std::fabs(got - truth) / std::ldexp(1.0, exponent - 23);
}

struct Worst {
  double ulps = 0.0;
  float at = 0.0f;
};

// Visits floats of all exponents and signs; skip(x) leaves out what another test covers.
template <typename Function, typename Truth, typename Skip>
Worst Sweep(Function function, Truth truth, Skip skip) {
  const bool exhaustive = std::getenv("LLMRT_EXHAUSTIVE") != nullptr;
  const uint64_t stride = exhaustive ? 1 : 251;
  Worst worst;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += stride) {
    const float x = BitsToFloat(static_cast<uint32_t>(bits));
    if (std::isnan(x) || skip(x)) continue;
    const double error = ErrorUlps(function(x), truth(static_cast<double>(x)));
    if (error > worst.ulps) worst = {error, x};
  }
  std::printf("largest error %.4f ulp at %a\n", worst.ulps, static_cast<double>(worst.at));
  return worst;
}

bool IsSubnormal(float x) { return x != 0.0f && std::fabs(x) < constants::kMinNormal; }

TEST(ExactMathTest, ExpIsWithinOneUlp) {
  const Worst worst =
      Sweep([](float x) { return Exp(x); }, [](double x) { return std::exp(x); },
            [](float x) { return x < constants::kExpMin || x > constants::kExpMax; });
  EXPECT_LT(worst.ulps, 1.0);
}

TEST(ExactMathTest, ExpAtTheEdges) {
  EXPECT_EQ(Exp(0.0f), 1.0f);
  EXPECT_EQ(Exp(-0.0f), 1.0f);
  EXPECT_EQ(Exp(BitsToFloat(1)), 1.0f);
  EXPECT_EQ(Exp(-kInf), 0.0f);
  EXPECT_EQ(Exp(kInf), kInf);
  EXPECT_EQ(Exp(89.0f), kInf);
  EXPECT_EQ(Exp(std::nextafter(constants::kExpMax, kInf)), kInf);
  EXPECT_EQ(Exp(std::nextafter(constants::kExpMin, -kInf)), 0.0f);
  EXPECT_GE(Exp(constants::kExpMin), constants::kMinNormal);
  EXPECT_LT(Exp(constants::kExpMax), kInf);
  EXPECT_EQ(FloatBits(Exp(std::nanf(""))), constants::kNanBits);
}

TEST(ExactMathTest, ExpIsMonotonicAroundEveryReductionStep) {
  // Where n steps from one integer to the next, two evaluations of the polynomial meet.
  for (int n = -126; n <= 127; ++n) {
    float x = static_cast<float>((n + 0.5) * 0.6931471805599453);
    for (int i = 0; i < 64; ++i) x = std::nextafter(x, -kInf);
    float previous = Exp(x);
    for (int i = 0; i < 128; ++i) {
      x = std::nextafter(x, kInf);
      const float next = Exp(x);
      ASSERT_GE(next, previous) << x;
      previous = next;
    }
  }
}

TEST(ExactMathTest, LogIsWithinOneUlp) {
  const Worst worst = Sweep([](float x) { return Log(x); }, [](double x) { return std::log(x); },
                            [](float x) { return !(x >= constants::kMinNormal); });
  EXPECT_LT(worst.ulps, 1.0);
}

TEST(ExactMathTest, LogAtTheEdges) {
  EXPECT_EQ(FloatBits(Log(1.0f)), 0u);
  EXPECT_EQ(Log(0.0f), -kInf);
  EXPECT_EQ(Log(-0.0f), -kInf);
  EXPECT_EQ(Log(BitsToFloat(0x007fffff)), -kInf);
  EXPECT_EQ(Log(BitsToFloat(0x807fffff)), -kInf);
  EXPECT_EQ(FloatBits(Log(-constants::kMinNormal)), constants::kNanBits);
  EXPECT_EQ(FloatBits(Log(-kInf)), constants::kNanBits);
  EXPECT_EQ(FloatBits(Log(std::nanf(""))), constants::kNanBits);
  EXPECT_EQ(Log(kInf), kInf);
}

TEST(ExactMathTest, Log1pIsWithinTwoUlps) {
  const Worst worst =
      Sweep([](float x) { return Log1p(x); }, [](double x) { return std::log1p(x); },
            [](float x) { return x < -1.0f; });
  // f is rounded to half an ulp, and where k = 1 and f is about -1/3 the result is no larger than
  // f.
  EXPECT_LT(worst.ulps, 1.7);
}

TEST(ExactMathTest, Log1pAtTheEdges) {
  EXPECT_EQ(Log1p(-1.0f), -kInf);
  EXPECT_EQ(FloatBits(Log1p(std::nextafter(-1.0f, -2.0f))), constants::kNanBits);
  EXPECT_EQ(FloatBits(Log1p(-kInf)), constants::kNanBits);
  EXPECT_EQ(FloatBits(Log1p(std::nanf(""))), constants::kNanBits);
  EXPECT_EQ(Log1p(kInf), kInf);
  EXPECT_EQ(FloatBits(Log1p(0.0f)), 0u);
  EXPECT_EQ(FloatBits(Log1p(-0.0f)), 0x80000000u);
  EXPECT_EQ(FloatBits(Log1p(BitsToFloat(1))), 1u);
}

TEST(ExactMathTest, SigmoidIsWithinThreeUlps) {
  // 1 + e rounds (up to 1 ulp where the sum crosses a binade), e carries 1, the division half.
  const Worst worst =
      Sweep([](float x) { return Sigmoid(x); }, [](double x) { return 1.0 / (1.0 + std::exp(-x)); },
            [](float x) { return x < constants::kExpMin; });
  EXPECT_LT(worst.ulps, 3.0);
  EXPECT_EQ(Sigmoid(-kInf), 0.0f);
  EXPECT_EQ(Sigmoid(-87.4f), 0.0f);
  EXPECT_EQ(Sigmoid(kInf), 1.0f);
  EXPECT_EQ(Sigmoid(0.0f), 0.5f);
  EXPECT_EQ(FloatBits(Sigmoid(std::nanf(""))), constants::kNanBits);
}

TEST(ExactMathTest, SiluIsWithinThreeUlps) {
  const Worst worst =
      Sweep([](float x) { return Silu(x); }, [](double x) { return x / (1.0 + std::exp(-x)); },
            [](float x) { return x < -88.0f || std::fabs(x) < 2 * constants::kMinNormal; });
  EXPECT_LT(worst.ulps, 3.0);
  EXPECT_EQ(FloatBits(Silu(0.0f)), 0u);
  EXPECT_EQ(FloatBits(Silu(-100.0f)), 0x80000000u);
  EXPECT_EQ(Silu(kInf), kInf);
  EXPECT_TRUE(std::isnan(Silu(-kInf)));
  EXPECT_TRUE(std::isnan(Silu(std::nanf(""))));
}

TEST(ExactMathTest, BitsDoNotDependOnTheDenormalMode) {
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 4099) {
    const float x = BitsToFloat(static_cast<uint32_t>(bits));
    const float kept[4] = {Exp(x), Log(x), Log1p(x), IsSubnormal(x) ? 0.5f : Sigmoid(x)};
    float flushed[4];
    {
      ScopedFpMode mode;
      flushed[0] = Exp(x);
      flushed[1] = Log(x);
      flushed[2] = Log1p(x);
      flushed[3] = Sigmoid(x);
    }
    for (int i = 0; i < 4; ++i)
      ASSERT_EQ(FloatBits(kept[i]), FloatBits(flushed[i])) << i << " " << x;
  }
}

// The bits themselves, so that a change of a constant or of an order of operations is seen: FNV-1a
// over a sweep.
template <typename Function>
uint64_t HashOfSweep(Function function) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 65521) {
    const float x = BitsToFloat(static_cast<uint32_t>(bits));
    if (std::isnan(x)) continue;
    hash = (hash ^ FloatBits(function(x))) * 0x100000001b3u;
  }
  return hash;
}

TEST(ExactMathTest, BitsAreTheRecordedOnes) {
  EXPECT_EQ(HashOfSweep([](float x) { return Exp(x); }), 0x80383a54b4881abfu);
  EXPECT_EQ(HashOfSweep([](float x) { return Log(x); }), 0xf8797db242bbd1f0u);
  EXPECT_EQ(HashOfSweep([](float x) { return Log1p(x); }), 0xe6287aa03b12e88bu);
  ScopedFpMode mode;  // SiLU and sigmoid of a subnormal depend on it
  EXPECT_EQ(HashOfSweep([](float x) { return Sigmoid(x); }), 0x3e2dcb3873890185u);
  // -inf gives a NaN, whose bits are unspecified.
  EXPECT_EQ(HashOfSweep([](float x) { return x == -kInf ? 0.0f : Silu(x); }), 0xc28b545a4171d8a4u);
}

}  // namespace
}  // namespace llmrt::numerics
