#include "numerics/lanes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace llmrt::numerics {
namespace {

TEST(LanesTest, TreeAddsInTheDocumentedOrder) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (int trial = 0; trial < 1000; ++trial) {
    float l[16];
    for (float& v : l) v = std::ldexp(normal(random), static_cast<int>(random() % 20));
    // Written out by hand.
    const float s8[8] = {l[0] + l[8],  l[1] + l[9],  l[2] + l[10], l[3] + l[11],
                         l[4] + l[12], l[5] + l[13], l[6] + l[14], l[7] + l[15]};
    const float s4[4] = {s8[0] + s8[4], s8[1] + s8[5], s8[2] + s8[6], s8[3] + s8[7]};
    const float expected = (s4[0] + s4[2]) + (s4[1] + s4[3]);
    ASSERT_EQ(TreeSum16(l), expected);
  }
}

TEST(LanesTest, TreeMaxIsTheLargest) {
  float l[16];
  for (int where = 0; where < 16; ++where) {
    for (int i = 0; i < 16; ++i) l[i] = static_cast<float>(-i - 1);
    l[where] = 5.0f;
    EXPECT_EQ(TreeMax16(l), 5.0f);
  }
}

TEST(LanesTest, DotWithATailEqualsDotOverAZeroPaddedCopy) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (int n = 0; n <= 70; ++n) {
    std::vector<float> a(static_cast<size_t>(n)), b(static_cast<size_t>(n));
    for (float& v : a) v = normal(random);
    for (float& v : b) v = normal(random);
    std::vector<float> padded_a = a, padded_b = b;
    padded_a.resize(80);
    padded_b.resize(80);
    EXPECT_EQ(DotLanes(a.data(), b.data(), n), DotLanes(padded_a.data(), padded_b.data(), 80)) << n;
  }
}

TEST(LanesTest, DotIsWithinItsErrorBound) {
  // n / 16 fmas a lane and four additions: |error| <= (n / 16 + 4) 2^-24 sum |a b|, to first order.
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (int n : {1, 15, 16, 17, 512, 1000}) {
    std::vector<float> a(static_cast<size_t>(n)), b(static_cast<size_t>(n));
    double exact = 0, magnitude = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      a[i] = normal(random);
      b[i] = normal(random);
      exact += static_cast<double>(a[i]) * b[i];
      magnitude += std::fabs(static_cast<double>(a[i]) * b[i]);
    }
    EXPECT_NEAR(DotLanes(a.data(), b.data(), n), exact, (n / 16 + 5) * 0x1p-24 * magnitude) << n;
  }
}

TEST(LanesTest, NanAndInfinityReachTheSum) {
  std::vector<float> a(33, 1.0f), b(33, 1.0f);
  a[32] = INFINITY;
  EXPECT_EQ(DotLanes(a.data(), b.data(), 33), INFINITY);
  b[32] = 0.0f;
  EXPECT_TRUE(std::isnan(DotLanes(a.data(), b.data(), 33)));
}

}  // namespace
}  // namespace llmrt::numerics
