#include "ops/rms_norm.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "ops/prepare.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

// By hand: mean of squares (9 + 16) / 2 = 12.5, plus 3.5 is 16, scale 1/4: all exact.
TEST(RmsNormTest, AnExactCaseByHand) {
  const float in[] = {3, 4}, weight[] = {2, -1};
  float out[2];
  OracleRmsNorm({.in = in, .weight = weight, .dim = 2, .epsilon = 3.5f, .out = out}, {0, 1});
  EXPECT_EQ(out[0], 1.5f);
  EXPECT_EQ(out[1], -1.0f);
}

// Against the formula in double. The oracle rounds the sum (at most dim / 16 + 9 additions in a
// lane and the tree: relative error below (512 / 16 + 9) 2^-24 a chunk plus one for each chunk),
// and mean, root, reciprocal and two products once each: 60 halves of an ulp are more than all of
// them.
TEST(RmsNormTest, BothOrdersAreCloseToTheFormula) {
  Random random(1);
  for (const int64_t dim : {1, 20, 512, 1100}) {
    const auto in = RandomFloats(random, 3 * dim, Spread::kNormal);
    const auto weight = RandomFloats(random, dim, Spread::kNormal);
    std::vector<float> exact(3 * dim), plain(3 * dim);
    backend::RmsNormParams params = {.in = in.data(),
                                     .weight = weight.data(),
                                     .dim = dim,
                                     .epsilon = 1e-5f,
                                     .out = exact.data()};
    OracleRmsNorm(params, {0, 3});
    params.out = plain.data();
    PlainRmsNorm(params, {0, 3});
    for (int64_t row = 0; row < 3; ++row) {
      double sum = 0;
      for (int64_t i = 0; i < dim; ++i) sum += double{in[row * dim + i]} * in[row * dim + i];
      for (int64_t i = 0; i < dim; ++i) {
        const double expected =
            in[row * dim + i] / std::sqrt(sum / static_cast<double>(dim) + 1e-5f) * weight[i];
        EXPECT_NEAR(exact[row * dim + i], expected, 60 * 0x1p-24 * std::abs(expected));
        EXPECT_NEAR(plain[row * dim + i], expected, 2 * 0x1p-24 * std::abs(expected));
      }
    }
  }
}

TEST(RmsNormTest, RowsMayBePicked) {
  const float in[] = {1, 2, 4}, weight[] = {1};
  float out[2];
  const std::vector<int32_t> rows = {2, 0};
  OracleRmsNorm({.in = in, .weight = weight, .rows = rows, .dim = 1, .epsilon = 0, .out = out},
                {0, 2});
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], 1.0f);
}

TEST(RmsNormTest, WrongParametersAreRefused) {
  const float in[] = {1}, weight[] = {1};
  float out[1];
  const std::vector<int32_t> rows = {-1};
  backend::RmsNormParams params = {.in = in, .weight = weight, .dim = 1, .out = out};
  EXPECT_TRUE(CheckRmsNorm(params, {0, 1}).ok());
  params.epsilon = -1;
  EXPECT_FALSE(CheckRmsNorm(params, {0, 1}).ok());
  params.epsilon = std::nanf("");
  EXPECT_FALSE(CheckRmsNorm(params, {0, 1}).ok());
  params.epsilon = 0;
  params.rows = rows;
  EXPECT_FALSE(CheckRmsNorm(params, {0, 1}).ok());
  EXPECT_FALSE(CheckRmsNorm(params, {0, 2}).ok());
  params.rows = {};
  params.dim = 0;
  EXPECT_FALSE(CheckRmsNorm(params, {0, 1}).ok());
  EXPECT_FALSE(CheckRmsNorm({}, {0, 1}).ok());
}

TEST(RmsNormTest, PreparedRowsAreThoseOfOut) {
  Random random(2);
  constexpr int64_t kDim = 70;
  const auto in = RandomFloats(random, 4 * kDim, Spread::kNormal);
  const auto weight = RandomFloats(random, kDim, Spread::kNormal);
  const int64_t row_bytes = backend::ActivationRowBytes(backend::ActivationFormat::kInt8, kDim);
  for (const auto norm : {OracleRmsNorm, PlainRmsNorm}) {
    std::vector<float> out(3 * kDim, 0.0f);
    std::vector<uint8_t> prepared(3 * row_bytes, 7), expected = prepared;
    const std::vector<int32_t> rows = {3, 0, 2};
    const backend::PreparedRows output = {backend::ActivationFormat::kInt8, prepared.data()};
    norm({.in = in.data(),
          .weight = weight.data(),
          .rows = rows,
          .dim = kDim,
          .out = out.data(),
          .prepared = {&output, 1}},
         {1, 3});
    OraclePrepare({.in = out.data(),
                   .cols = kDim,
                   .format = backend::ActivationFormat::kInt8,
                   .out = expected.data()},
                  {1, 3});
    EXPECT_EQ(prepared, expected);
  }
}

TEST(RmsNormTest, PreparedRowsNeedAPlace) {
  const float in[] = {1}, weight[] = {1};
  float out[1];
  const backend::PreparedRows nowhere = {};
  EXPECT_FALSE(
      CheckRmsNorm({.in = in, .weight = weight, .dim = 1, .out = out, .prepared = {&nowhere, 1}},
                   {0, 1})
          .ok());
}

}  // namespace
}  // namespace llmrt::ops
