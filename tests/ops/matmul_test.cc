// The oracle of each numeric class against the product in double.
#include "ops/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "numerics/float_types.h"
#include "ops/host_storage.h"
#include "ops/prepare.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

using backend::ActivationBlock;
using backend::ActivationFormat;
using backend::WeightType;

constexpr int64_t kN = 5, kM = 3;

class MatMulTest : public testing::TestWithParam<WeightType> {
 protected:
  void Make(int64_t k) {
    k_ = k;
    weight_ = HostMatrix::Create(memory_, GetParam(), kN, k).value();
    ASSERT_TRUE(static_cast<HostMatrix&>(*weight_)
                    .WriteRows(0, RandomWeights(random_, GetParam(), kN, k, Spread::kNormal))
                    .ok());
    in_ = RandomFloats(random_, kM * k, Spread::kNormal);
    out_.assign(kM * kN, -1.0f);
  }
  backend::MatMulParams Params(ActivationFormat format) {
    prepared_.resize(kM * backend::ActivationRowBytes(format, k_));
    OraclePrepare({.in = in_.data(), .cols = k_, .format = format, .out = prepared_.data()},
                  {0, kM});
    return {.weight = weight_.get(),
            .activations = prepared_.data(),
            .num_rows = kM,
            .out = out_.data(),
            .out_stride = kN};
  }
  // What the product reads of activation k of row m.
  double Activation(ActivationFormat format, int64_t m, int64_t k) const {
    const uint8_t* row = prepared_.data() + m * backend::ActivationRowBytes(format, k_);
    if (format == ActivationFormat::kF32) return in_[m * k_ + k];
    if (format == ActivationFormat::kBF16) {
      uint16_t bits;
      std::memcpy(&bits, row + k * 2, 2);
      return numerics::BF16ToF32(bits);
    }
    ActivationBlock block;
    std::memcpy(&block, row + k / 32 * sizeof(block), sizeof(block));
    return double{block.scale} * block.q[k % 32];
  }
  // Compares out_ with the sum in double; `roundings` of the sum of magnitudes may be lost.
  void ExpectClose(ActivationFormat format, double roundings) {
    std::vector<float> weight(k_);
    for (int64_t n = 0; n < kN; ++n) {
      static_cast<const HostMatrix&>(*weight_).DequantizeRow(n, weight.data());
      for (int64_t m = 0; m < kM; ++m) {
        double sum = 0, magnitude = 0;
        for (int64_t k = 0; k < k_; ++k) {
          const double product = Activation(format, m, k) * double{weight[k]};
          sum += product;
          magnitude += std::abs(product);
        }
        EXPECT_NEAR(out_[m * kN + n], sum, roundings * 0x1p-24 * magnitude + 1e-30);
      }
    }
  }
  memory::LargeMemory memory_{0};
  Random random_{9};
  int64_t k_ = 0;
  std::unique_ptr<backend::Matrix> weight_;
  std::vector<float> in_, out_;
  std::vector<uint8_t> prepared_;
};

// No sum is rounded more often than once for each 1 / 16 of a chunk, the tree, and once a chunk;
// the integer class rounds twice for each of 16 blocks and its scales. Types with an offset add
// terms of the size of the offset, which the magnitude of w may hide: they get room for that.
TEST_P(MatMulTest, TheClassIsCloseToTheProductInDouble) {
  const bool super = backend::GeometryOf(GetParam()).values == 256;
  for (const int64_t k : super ? std::vector<int64_t>{256, 768} : std::vector<int64_t>{32, 544}) {
    Make(k);
    const ActivationFormat format = backend::ClassOf(GetParam()).activation;
    OracleMatMul(Params(format), {0, kN});
    ExpectClose(format, backend::IsQuantized(GetParam()) ? 1000 : 64);
  }
}

TEST_P(MatMulTest, ThePlainOrderIsTheProductRoundedOnce) {
  Make(256);
  PlainMatMul(Params(ActivationFormat::kF32), {0, kN});
  ExpectClose(ActivationFormat::kF32, 1);
}

TEST_P(MatMulTest, TheResidualIsAddedOnceAndLast) {
  Make(256);
  const ActivationFormat format = backend::ClassOf(GetParam()).activation;
  backend::MatMulParams params = Params(format);
  OracleMatMul(params, {0, kN});
  const std::vector<float> product = out_;
  std::fill(out_.begin(), out_.end(), 0.5f);
  params.accumulate = true;
  OracleMatMul(params, {0, kN});
  for (size_t i = 0; i < out_.size(); ++i) EXPECT_EQ(out_[i], 0.5f + product[i]);
}

TEST_P(MatMulTest, OnlyTheRangeIsWritten) {
  Make(256);
  OracleMatMul(Params(backend::ClassOf(GetParam()).activation), {1, 3});
  for (int64_t m = 0; m < kM; ++m) {
    for (const int64_t n : {0, 3, 4}) EXPECT_EQ(out_[m * kN + n], -1.0f);
    for (const int64_t n : {1, 2}) EXPECT_NE(out_[m * kN + n], -1.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, MatMulTest, testing::ValuesIn(kAllWeightTypes),
                         [](const auto& info) {
                           return std::string(backend::GeometryOf(info.param).name);
                         });

// The order of each class, shown by numbers that another order would lose.
TEST(MatMulOrderTest, ChunksStartFromZero) {
  memory::LargeMemory memory(0);
  constexpr int64_t kK = 1024;
  auto weight = HostMatrix::Create(memory, WeightType::kF32, 1, kK).value();
  // In chunk one: 2^24, then nothing. In chunk two: 1 and 1 in the same lane.
  // One long chain would lose each 1 in 2^24 + 1; the second chunk makes 2 of them first.
  std::vector<float> w(kK, 0.0f), a(kK, 1.0f);
  w[0] = 0x1p24f;
  w[512] = 1.0f;
  w[528] = 1.0f;
  const auto* bytes = reinterpret_cast<const uint8_t*>(w.data());
  ASSERT_TRUE(static_cast<HostMatrix&>(*weight).WriteRows(0, {bytes, kK * 4}).ok());
  float out = 0;
  OracleMatMul({.weight = weight.get(),
                .activations = reinterpret_cast<const uint8_t*>(a.data()),
                .num_rows = 1,
                .out = &out,
                .out_stride = 1},
               {0, 1});
  EXPECT_EQ(out, 0x1p24f + 2.0f);
}

TEST(MatMulOrderTest, EvenAndOddValuesOfBFloat16AreSummedApart) {
  memory::LargeMemory memory(0);
  auto weight = HostMatrix::Create(memory, WeightType::kBF16, 1, 32).value();
  // Even: 2^24 + 1 + 1 stays 2^24 one by one. Odd: 1 + 1 = 2. Together 2^24 + 2.
  std::vector<uint16_t> w(32, 0), a(32, 0x3f80);
  w[0] = 0x4b80;         // 2^24
  w[2] = w[4] = 0x3f80;  // 1, even: lost
  w[1] = w[3] = 0x3f80;  // 1, odd: kept
  const auto* bytes = reinterpret_cast<const uint8_t*>(w.data());
  ASSERT_TRUE(static_cast<HostMatrix&>(*weight).WriteRows(0, {bytes, 64}).ok());
  float out = 0;
  OracleMatMul({.weight = weight.get(),
                .activations = reinterpret_cast<const uint8_t*>(a.data()),
                .num_rows = 1,
                .out = &out,
                .out_stride = 1},
               {0, 1});
  EXPECT_EQ(out, 0x1p24f + 2.0f);
}

TEST(MatMulOrderTest, WrongParametersAreRefused) {
  memory::LargeMemory memory(0);
  auto weight = HostMatrix::Create(memory, WeightType::kF32, 4, 8).value();
  const uint8_t activations[64] = {};
  float out[4];
  backend::MatMulParams params = {.weight = weight.get(),
                                  .activations = activations,
                                  .num_rows = 1,
                                  .out = out,
                                  .out_stride = 4};
  EXPECT_TRUE(CheckMatMul(params, {0, 4}).ok());
  EXPECT_FALSE(CheckMatMul(params, {0, 5}).ok());
  params.out_stride = 3;
  EXPECT_FALSE(CheckMatMul(params, {0, 4}).ok());
  params.out_stride = 4;
  params.num_rows = -1;
  EXPECT_FALSE(CheckMatMul(params, {0, 4}).ok());
  EXPECT_FALSE(CheckMatMul({}, {0, 0}).ok());
}

}  // namespace
}  // namespace llmrt::ops
