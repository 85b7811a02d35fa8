#include "numerics/quantize_row.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <random>
#include <vector>

#include "numerics/fp_mode.h"

namespace llmrt::numerics {
namespace {

struct Block {
  float scale;
  int32_t sum;
  int8_t q[32];
};

Block Quantize(const std::vector<float>& x) {
  Block block;
  for (int8_t& q : block.q) q = 99;
  block.scale = QuantizeBlock32(x.data(), static_cast<int>(x.size()), block.q, &block.sum);
  return block;
}

TEST(QuantizeRowTest, EqualsTheRuleWrittenWithLibraryRounding) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (int trial = 0; trial < 20000; ++trial) {
    std::vector<float> x(1 + random() % 32);
    const int exponent = static_cast<int>(random() % 200) - 100;
    for (float& v : x) v = std::ldexp(normal(random), exponent);
    float amax = 0;
    for (float v : x) amax = std::max(amax, std::fabs(v));
    const float d = amax / 127.0f;
    const Block block = Quantize(x);
    ASSERT_EQ(block.scale, d);
    int32_t sum = 0;
    for (size_t i = 0; i < 32; ++i) {
      const float scaled = i < x.size() ? x[i] * (1.0f / d) : 0.0f;
      const int expected = std::min(127, std::max(-127, static_cast<int>(std::nearbyint(scaled))));
      ASSERT_EQ(block.q[i], expected);
      sum += expected;
    }
    ASSERT_EQ(block.sum, sum);
  }
}

TEST(QuantizeRowTest, HalvesGoToTheEvenNeighbour) {
  // amax 127 makes d = 1, so values are their own quotients.
  const Block block = Quantize({127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f, 125.5f});
  EXPECT_EQ(block.scale, 1.0f);
  const int8_t expected[8] = {127, 0, 2, 2, 0, -2, -126, 126};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(block.q[i], expected[i]) << i;
  EXPECT_EQ(block.sum, 127 + 2 + 2 - 2 - 126 + 126);
}

TEST(QuantizeRowTest, ZeroBlockHasZeroScale) {
  const Block block = Quantize({0.0f, -0.0f});
  EXPECT_EQ(block.scale, 0.0f);
  EXPECT_EQ(block.sum, 0);
  for (int8_t q : block.q) EXPECT_EQ(q, 0);
}

TEST(QuantizeRowTest, ScaleThatWouldBeSubnormalCountsAsZero) {
  const float edge = 127.0f * 0x1p-126f;  // exact
  EXPECT_EQ(Quantize({edge}).scale, 0x1p-126f);
  EXPECT_EQ(Quantize({edge}).q[0], 127);
  const Block below = Quantize({std::nextafter(edge, 0.0f)});
  // The quotient may round up to the edge itself; one more step down cannot.
  EXPECT_TRUE(below.scale == 0.0f || below.scale == 0x1p-126f);
  EXPECT_EQ(Quantize({0x1p-120f}).scale, 0.0f);
  EXPECT_EQ(Quantize({0x1p-120f}).q[0], 0);
  EXPECT_EQ(Quantize({0x1p-149f}).scale, 0.0f);
}

TEST(QuantizeRowTest, LargestFloatsQuantize) {
  const Block block = Quantize({3.4028235e38f, -3.4028235e38f, 1.7e38f});
  EXPECT_EQ(block.q[0], 127);
  EXPECT_EQ(block.q[1], -127);
  EXPECT_EQ(block.q[2], 63);
}

TEST(QuantizeRowTest, NanOrInfinityAnywhereMakesTheScaleNan) {
  for (float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    for (size_t where = 0; where < 32; ++where) {
      std::vector<float> x(32, 1.0f);
      x[where] = bad;
      const Block block = Quantize(x);
      ASSERT_TRUE(std::isnan(block.scale));
      ASSERT_EQ(block.sum, 0);
      for (int8_t q : block.q) ASSERT_EQ(q, 0);
    }
  }
}

TEST(QuantizeRowTest, BitsDoNotDependOnTheDenormalMode) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 20000; ++trial) {
    std::vector<float> x(32);
    for (float& v : x) v = BitsToFloat((random() & 0x807fffffu) | (random() % 12) << 23);
    const Block kept = Quantize(x);
    ScopedFpMode mode;
    const Block flushed = Quantize(x);
    ASSERT_EQ(FloatBits(kept.scale), FloatBits(flushed.scale));
    ASSERT_EQ(0, memcmp(kept.q, flushed.q, 32));
  }
}

}  // namespace
}  // namespace llmrt::numerics
