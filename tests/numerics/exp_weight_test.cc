// Integer weights against the same formula in long double (64-bit mantissa).
#include "numerics/exp_weight.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>

namespace llmrt::numerics {
namespace {

TEST(ExpWeightTest, EqualsTheFloorExceptWithinTheStatedErrorOfAnInteger) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-28.0f, 0.0f);
  int differing = 0;
  for (int i = 0; i < 1000000; ++i) {
    const float d = i % 4 == 0 ? uniform(random) / 1000.0f : uniform(random);
    const long double truth = std::exp(static_cast<long double>(d)) * 0x1p40L;
    const long double floor = std::floor(truth);
    const uint64_t weight = ExpWeight40(d);
    if (weight == static_cast<uint64_t>(floor)) continue;
    ++differing;
    const long double distance = std::fabs(truth - std::round(truth));
    ASSERT_LT(distance, 0x1p-11L) << d;
    ASSERT_LE(std::fabs(static_cast<long double>(weight) - floor), 1.0L) << d;
  }
  // Chance of lying that near to an integer: 2 * 2^-11 at most.
  EXPECT_LT(differing, 1000000 / 1024);
}

TEST(ExpWeightTest, NeverIncreasesAsTheLogitFalls) {
  uint64_t previous = kExpWeightOne;
  for (uint32_t bits = FloatBits(-0x1p-30f); bits < FloatBits(-30.0f); bits += 997) {
    const uint64_t weight = ExpWeight40(BitsToFloat(bits));
    ASSERT_LE(weight, previous) << BitsToFloat(bits);
    previous = weight;
  }
}

// FNV-1a over a sweep of the range that gives anything but 0 and 2^40: a change of a constant or of
// an order of operations is seen.
TEST(ExpWeightTest, BitsAreTheRecordedOnes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint32_t bits = FloatBits(-0x1p-42f); bits < FloatBits(-28.0f); bits += 8191) {
    hash = (hash ^ ExpWeight40(BitsToFloat(bits))) * 0x100000001b3u;
  }
  EXPECT_EQ(hash, 0x3f5ebb0edb31e595u);
}

TEST(ExpWeightTest, Ends) {
  EXPECT_EQ(ExpWeight40(0.0f), kExpWeightOne);
  EXPECT_EQ(ExpWeight40(-0.0f), kExpWeightOne);
  EXPECT_EQ(ExpWeight40(1.0f), kExpWeightOne);
  EXPECT_EQ(ExpWeight40(-27.72f), 1u);
  EXPECT_EQ(ExpWeight40(-27.7260f), 0u);
  EXPECT_EQ(ExpWeight40(-27.74f), 0u);
  EXPECT_EQ(ExpWeight40(-INFINITY), 0u);
  EXPECT_EQ(ExpWeight40(NAN), 0u);
}

}  // namespace
}  // namespace llmrt::numerics
