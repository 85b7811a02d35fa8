#include "ops/swiglu.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "ops/prepare.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

// Silu is good to 2.5 ulp (numerics/exact_math.h), the product adds half an ulp: 3 ulp, of 2^-23
// relative at most. The plain order rounds once.
TEST(SwiGluTest, BothOrdersAreCloseToTheFormula) {
  Random random(1);
  const auto gate = RandomFloats(random, 4 * 100, Spread::kNormal);
  const auto up = RandomFloats(random, 4 * 100, Spread::kNormal);
  std::vector<float> exact(400), plain(400);
  OracleSwiGlu({.gate = gate.data(), .up = up.data(), .dim = 100, .out = exact.data()}, {0, 4});
  PlainSwiGlu({.gate = gate.data(), .up = up.data(), .dim = 100, .out = plain.data()}, {0, 4});
  for (int i = 0; i < 400; ++i) {
    const double expected = gate[i] / (1 + std::exp(-double{gate[i]})) * up[i];
    EXPECT_NEAR(exact[i], expected, 3 * 0x1p-23 * std::abs(expected));
    EXPECT_NEAR(plain[i], expected, 0x1p-24 * std::abs(expected) * 1.01);
  }
}

TEST(SwiGluTest, LargeGatesSaturate) {
  const float gate[] = {100.0f, -100.0f, 0.0f}, up[] = {2.0f, 2.0f, 2.0f};
  float out[3];
  OracleSwiGlu({.gate = gate, .up = up, .dim = 3, .out = out}, {0, 1});
  EXPECT_EQ(out[0], 200.0f);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[2], 0.0f);
}

TEST(SwiGluTest, OnlyTheRangeIsWritten) {
  const float gate[] = {1, 1}, up[] = {1, 1};
  float out[] = {7, 7};
  OracleSwiGlu({.gate = gate, .up = up, .dim = 1, .out = out}, {1, 2});
  EXPECT_EQ(out[0], 7.0f);
  EXPECT_NE(out[1], 7.0f);
}

TEST(SwiGluTest, WrongParametersAreRefused) {
  float x[1];
  EXPECT_TRUE(CheckSwiGlu({.gate = x, .up = x, .dim = 1, .out = x}, {0, 1}).ok());
  EXPECT_FALSE(CheckSwiGlu({.gate = x, .up = x, .dim = 0, .out = x}, {0, 1}).ok());
  EXPECT_FALSE(CheckSwiGlu({.gate = x, .dim = 1, .out = x}, {0, 1}).ok());
  EXPECT_FALSE(CheckSwiGlu({.gate = x, .up = x, .dim = 1, .out = x}, {2, 1}).ok());
}

TEST(SwiGluTest, PreparedRowsAreThoseOfOut) {
  Random random(2);
  constexpr int64_t kDim = 70;
  const auto gate = RandomFloats(random, 3 * kDim, Spread::kNormal);
  const auto up = RandomFloats(random, 3 * kDim, Spread::kNormal);
  const int64_t row_bytes = backend::ActivationRowBytes(backend::ActivationFormat::kBF16, kDim);
  for (const auto activate : {OracleSwiGlu, PlainSwiGlu}) {
    std::vector<float> out(3 * kDim, 0.0f);
    std::vector<uint8_t> prepared(3 * row_bytes, 7), expected = prepared;
    const backend::PreparedRows output = {backend::ActivationFormat::kBF16, prepared.data()};
    activate({.gate = gate.data(),
              .up = up.data(),
              .dim = kDim,
              .out = out.data(),
              .prepared = {&output, 1}},
             {1, 3});
    OraclePrepare({.in = out.data(),
                   .cols = kDim,
                   .format = backend::ActivationFormat::kBF16,
                   .out = expected.data()},
                  {1, 3});
    EXPECT_EQ(prepared, expected);
  }
  float x[1];
  const backend::PreparedRows nowhere = {};
  EXPECT_FALSE(
      CheckSwiGlu({.gate = x, .up = x, .dim = 1, .out = x, .prepared = {&nowhere, 1}}, {0, 1})
          .ok());
}

}  // namespace
}  // namespace llmrt::ops
