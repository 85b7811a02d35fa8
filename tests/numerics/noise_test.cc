#include "numerics/noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>

namespace llmrt::numerics {
namespace {

TEST(NoiseTest, UniformStaysInsideTheOpenInterval) {
  EXPECT_EQ(UniformOpen(0), 0x1p-33f);
  EXPECT_EQ(UniformOpen(1), 0x1.8p-32f);
  EXPECT_EQ(UniformOpen(0xffffffffu), 1.0f - 0x1p-24f);
  EXPECT_EQ(UniformOpen(0xffffff00u), 1.0f - 0x1p-24f);
  EXPECT_EQ(UniformOpen(0x80000000u), 0.5f);
}

TEST(NoiseTest, UniformIsCutTowardZeroFromTwoToTheTwentyFourth) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000000; ++i) {
    const uint32_t x = random() >> i % 8;
    const float u = UniformOpen(x);
    if (x >= 1u << 24) {
      int shift = 8 - __builtin_clz(x);
      ASSERT_EQ(u, std::ldexp(static_cast<float>(x >> shift), shift - 32)) << x;
    }
    if (x < 1u << 23) {
      ASSERT_EQ(static_cast<double>(u), (x + 0.5) / 4294967296.0) << x;
    }
  }
}

TEST(NoiseTest, UniformNeverDecreases) {
  float previous = 0.0f;
  for (uint64_t x = 0; x < (uint64_t{1} << 32); x += 523) {
    const float u = UniformOpen(static_cast<uint32_t>(x));
    ASSERT_GE(u, previous);
    previous = u;
  }
  for (uint32_t x = (1u << 23) - 4; x < (1u << 23) + 4; ++x)
    ASSERT_LE(UniformOpen(x), UniformOpen(x + 1));
  for (uint32_t x = (1u << 24) - 4; x < (1u << 24) + 4; ++x)
    ASSERT_LE(UniformOpen(x), UniformOpen(x + 1));
}

// FNV-1a over a sweep of all words: streams of old seeds must come out as they did.
TEST(NoiseTest, BitsAreTheRecordedOnes) {
  uint64_t uniform = 0xcbf29ce484222325u, exponential = uniform, score = uniform;
  for (uint64_t x = 0; x < (uint64_t{1} << 32); x += 65521) {
    const uint32_t word = static_cast<uint32_t>(x);
    uniform = (uniform ^ FloatBits(UniformOpen(word))) * 0x100000001b3u;
    exponential = (exponential ^ FloatBits(ExponentialNoise(word))) * 0x100000001b3u;
    const float logit = static_cast<float>(word % 4096) * 0x1p-7f;
    score = (score ^ FloatBits(GumbelScore(logit, x, word % 977, 3, 1))) * 0x100000001b3u;
  }
  EXPECT_EQ(uniform, 0xbbfc9a912704a9aau);
  EXPECT_EQ(exponential, 0x69774b0bb6fb98a5u);
  EXPECT_EQ(score, 0xb06330a03a14dce6u);
}

TEST(NoiseTest, ExponentialIsPositiveAndFiniteAtBothEnds) {
  EXPECT_EQ(ExponentialNoise(0), 0x1p-33f);
  EXPECT_NEAR(ExponentialNoise(0xffffffffu), 16.6355, 1e-3);  // 24 ln 2
  EXPECT_TRUE(std::isfinite(GumbelScore(0.0f, 0, 0, 0, 0)));
}

TEST(NoiseTest, ExponentialHasTheMomentsOfItsDistribution) {
  // Mean 1, variance 1, P(E > 3) = e^-3; a million draws: bounds of five standard errors.
  const int n = 1000000;
  double sum = 0, squares = 0;
  int beyond = 0;
  for (int i = 0; i < n; ++i) {
    const double e = ExponentialNoise(NoiseBits(42, i, i % 1000, 0));
    sum += e;
    squares += e * e;
    beyond += e > 3.0;
  }
  EXPECT_NEAR(sum / n, 1.0, 5e-3);
  EXPECT_NEAR(squares / n, 2.0, 5 * std::sqrt(20.0 / n));  // E^4 has mean 24: variance 24 - 4
  EXPECT_NEAR(static_cast<double>(beyond) / n, std::exp(-3.0), 5 * std::sqrt(0.0498 * 0.9502 / n));
}

TEST(NoiseTest, BitsDependOnEachOfSeedPositionTokenAndSample) {
  const uint32_t base = NoiseBits(1, 2, 3, 4);
  EXPECT_EQ(base, NoiseBits(1, 2, 3, 4));
  EXPECT_NE(base, NoiseBits(2, 2, 3, 4));
  EXPECT_NE(base, NoiseBits(1 | uint64_t{1} << 40, 2, 3, 4));
  EXPECT_NE(base, NoiseBits(1, 3, 3, 4));
  EXPECT_NE(base, NoiseBits(1, 2 | int64_t{1} << 40, 3, 4));
  EXPECT_NE(base, NoiseBits(1, 2, 4, 4));
  EXPECT_NE(base, NoiseBits(1, 2, 3, 5));
  // The counter's layout is part of the contract: position, token, sample; key is the seed.
  const PhiloxCounter words = Philox4x32({{2, 1, 3, 4}}, {{7, 9}});
  EXPECT_EQ(words.word[0], NoiseBits(7 | uint64_t{9} << 32, 2 | int64_t{1} << 32, 3, 4));
}

TEST(NoiseTest, ScoreKeepsMinusInfinityAndNan) {
  EXPECT_EQ(GumbelScore(-INFINITY, 1, 2, 3, 4), -INFINITY);
  EXPECT_TRUE(std::isnan(GumbelScore(NAN, 1, 2, 3, 4)));
}

}  // namespace
}  // namespace llmrt::numerics
