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
#include "quant/integer_block.h"
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
  // The exact value of out_[m, n], and the sum of the magnitudes of the terms that the class adds.
  struct Exact {
    double sum = 0;
    double magnitude = 0;
    void Add(double term) {
      sum += term;
      magnitude += std::abs(term);
    }
  };
  Exact FloatSum(ActivationFormat format, int64_t m, int64_t n) const {
    std::vector<float> weight(k_);
    static_cast<const HostMatrix&>(*weight_).DequantizeRow(n, weight.data());
    Exact exact;
    for (int64_t k = 0; k < k_; ++k) exact.Add(Activation(format, m, k) * double{weight[k]});
    return exact;
  }
  // Terms are whole scale groups, and offsets times sums of activations.
  Exact IntegerSum(int64_t m, int64_t n) const {
    const uint8_t* row =
        prepared_.data() + m * backend::ActivationRowBytes(ActivationFormat::kInt8, k_);
    Exact exact;
    for (int64_t b = 0; b < k_ / 32; ++b) {
      ActivationBlock a;
      std::memcpy(&a, row + b * static_cast<int64_t>(sizeof(a)), sizeof(a));
      quant::IntegerBlock w;
      quant::DecodeIntegerBlock(GetParam(), static_cast<const HostMatrix&>(*weight_).row(n), b, &w);
      for (int g = 0; g < w.num_groups; ++g) {
        int32_t isum = 0;
        for (int i = g * 32 / w.num_groups; i < (g + 1) * 32 / w.num_groups; ++i) {
          isum += w.q[i] * a.q[i];
        }
        exact.Add(double{w.scale[g]} * a.scale * isum);
      }
      exact.Add(double{w.offset} * a.scale * a.sum);
    }
    return exact;
  }
  // No term is rounded more often than `roundings` times, each by 2^-24 of what it has become.
  void ExpectClose(ActivationFormat format, int roundings) {
    for (int64_t n = 0; n < kN; ++n) {
      for (int64_t m = 0; m < kM; ++m) {
        const Exact exact =
            format == ActivationFormat::kInt8 ? IntegerSum(m, n) : FloatSum(format, m, n);
        const double unit = roundings * 0x1p-24;
        EXPECT_NEAR(out_[m * kN + n], exact.sum, unit / (1 - unit) * exact.magnitude);
      }
    }
  }
  // Roundings that a term of a class goes through on its way into the sum of k values.
  int RoundingsOfATerm(int64_t k) const {
    const int longest = static_cast<int>(std::min<int64_t>(k, backend::kChunkK));
    const int chunks = static_cast<int>((k + backend::kChunkK - 1) / backend::kChunkK);
    switch (backend::ClassOf(GetParam()).activation) {
      case ActivationFormat::kF32:
        return longest / 16 + 4 + chunks;  // the lane's fmas, the tree, the chunk sums
      case ActivationFormat::kBF16:
        // 16 fmas of even or odd values, even + odd, a sum each 32 values, the chunk sums.
        return 16 + 1 + longest / 32 + chunks;
      case ActivationFormat::kInt8:
      case ActivationFormat::kF16:  // of no class here
        break;
    }
    // The product of the scales, one or two fmas a block (two groups, or one and an offset).
    quant::IntegerBlock w;
    quant::DecodeIntegerBlock(GetParam(), static_cast<const HostMatrix&>(*weight_).row(0), 0, &w);
    return 1 + longest / 32 * (w.num_groups + (w.has_offset ? 1 : 0)) + chunks;
  }

  memory::LargeMemory memory_{0};
  Random random_{9};
  int64_t k_ = 0;
  std::unique_ptr<backend::Matrix> weight_;
  std::vector<float> in_, out_;
  std::vector<uint8_t> prepared_;
};

TEST_P(MatMulTest, TheClassIsCloseToTheProductInDouble) {
  const bool super = backend::GeometryOf(GetParam()).values == 256;
  for (const int64_t k : super ? std::vector<int64_t>{256, 768} : std::vector<int64_t>{32, 544}) {
    Make(k);
    const ActivationFormat format = backend::ClassOf(GetParam()).activation;
    OracleMatMul({Params(format)}, {0, kN});
    ExpectClose(format, RoundingsOfATerm(k));
  }
}

TEST_P(MatMulTest, ThePlainOrderIsTheProductInDoubleRoundedOnce) {
  const bool super = backend::GeometryOf(GetParam()).values == 256;
  for (const int64_t k :
       super ? std::vector<int64_t>{256, 768} : std::vector<int64_t>{32, 256, 544}) {
    Make(k);
    PlainMatMul({Params(ActivationFormat::kF32)}, {0, kN});
    for (int64_t n = 0; n < kN; ++n) {
      for (int64_t m = 0; m < kM; ++m) {
        const double sum = FloatSum(ActivationFormat::kF32, m, n).sum;
        EXPECT_EQ(out_[m * kN + n], static_cast<float>(sum)) << "the same sums, so the same bits";
      }
    }
  }
}

// More rows than it keeps sums for at a time.
TEST(PlainMatMulTest, RowsAreAlikeHoweverMany) {
  constexpr int64_t kRows = 150, kCols = 320, kFeatures = 3;
  Random random(5);
  memory::LargeMemory memory(0);
  auto weight = HostMatrix::Create(memory, WeightType::kF32, kFeatures, kCols).value();
  ASSERT_TRUE(
      static_cast<HostMatrix&>(*weight)
          .WriteRows(0, RandomWeights(random, WeightType::kF32, kFeatures, kCols, Spread::kNormal))
          .ok());
  const std::vector<float> in = RandomFloats(random, kRows * kCols, Spread::kNormal);
  const int64_t row_bytes = backend::ActivationRowBytes(ActivationFormat::kF32, kCols);
  std::vector<uint8_t> prepared(static_cast<size_t>(kRows * row_bytes));
  OraclePrepare(
      {.in = in.data(), .cols = kCols, .format = ActivationFormat::kF32, .out = prepared.data()},
      {0, kRows});
  std::vector<float> all(kRows * kFeatures), one(kFeatures);
  backend::MatMulParams params = {.weight = weight.get(),
                                  .activations = prepared.data(),
                                  .num_rows = kRows,
                                  .out = all.data(),
                                  .out_stride = kFeatures};
  PlainMatMul({params}, {0, kFeatures});
  params.num_rows = 1;
  params.out = one.data();
  for (int64_t m = 0; m < kRows; ++m) {
    params.activations = prepared.data() + m * row_bytes;
    PlainMatMul({params}, {0, kFeatures});
    for (int64_t n = 0; n < kFeatures; ++n) ASSERT_EQ(all[m * kFeatures + n], one[n]) << m;
  }
}

TEST_P(MatMulTest, TheResidualIsAddedOnceAndLast) {
  Make(256);
  const ActivationFormat format = backend::ClassOf(GetParam()).activation;
  backend::MatMulParams params = Params(format);
  OracleMatMul({params}, {0, kN});
  const std::vector<float> product = out_;
  std::fill(out_.begin(), out_.end(), 0.5f);
  params.accumulate = true;
  OracleMatMul({params}, {0, kN});
  for (size_t i = 0; i < out_.size(); ++i) EXPECT_EQ(out_[i], 0.5f + product[i]);
}

TEST_P(MatMulTest, OnlyTheRangeIsWritten) {
  Make(256);
  OracleMatMul({Params(backend::ClassOf(GetParam()).activation)}, {1, 3});
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
  OracleMatMul({{.weight = weight.get(),
                 .activations = reinterpret_cast<const uint8_t*>(a.data()),
                 .num_rows = 1,
                 .out = &out,
                 .out_stride = 1}},
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
  OracleMatMul({{.weight = weight.get(),
                 .activations = reinterpret_cast<const uint8_t*>(a.data()),
                 .num_rows = 1,
                 .out = &out,
                 .out_stride = 1}},
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
  EXPECT_TRUE(CheckMatMul({params}, {0, 4}).ok());
  EXPECT_FALSE(CheckMatMul({params}, {0, 5}).ok());
  params.out_stride = 3;
  EXPECT_FALSE(CheckMatMul({params}, {0, 4}).ok());
  params.out_stride = 4;
  params.num_rows = -1;
  EXPECT_FALSE(CheckMatMul({params}, {0, 4}).ok());
  EXPECT_FALSE(CheckMatMul({}, {0, 0}).ok());
}

// Two products of 4 and of 2 features, of different types, as one walk of 6 units.
class ProductWalkTest : public testing::Test {
 protected:
  static constexpr int64_t kK = 64;

  ProductWalkTest() {
    for (int i = 0; i < 2; ++i) {
      const WeightType type = i == 0 ? WeightType::kQ4_0 : WeightType::kF32;
      const int64_t features = i == 0 ? 4 : 2;
      weights_[i] = HostMatrix::Create(memory_, type, features, kK).value();
      const auto bytes = RandomWeights(random_, type, features, kK, Spread::kNormal);
      EXPECT_TRUE(static_cast<HostMatrix&>(*weights_[i]).WriteRows(0, bytes).ok());
    }
    const auto in = RandomFloats(random_, 2 * kK, Spread::kNormal);
    blocks_.resize(2 * backend::ActivationRowBytes(ActivationFormat::kInt8, kK));
    floats_.resize(2 * backend::ActivationRowBytes(ActivationFormat::kF32, kK));
    OraclePrepared(
        in.data(), kK,
        {{ActivationFormat::kInt8, blocks_.data()}, {ActivationFormat::kF32, floats_.data()}},
        {0, 2});
  }

  // Into first [2, 4] and second [2, 3], whose last column is nobody's.
  std::vector<backend::MatMulParams> Walk(std::vector<float>& first, std::vector<float>& second) {
    first.assign(8, -1.0f);
    second.assign(6, -1.0f);
    return {{.weight = weights_[0].get(),
             .activations = blocks_.data(),
             .num_rows = 2,
             .out = first.data(),
             .out_stride = 4},
            {.weight = weights_[1].get(),
             .activations = floats_.data(),
             .num_rows = 2,
             .out = second.data(),
             .out_stride = 3}};
  }

  memory::LargeMemory memory_{0};
  Random random_{8};
  std::unique_ptr<backend::Matrix> weights_[2];
  std::vector<uint8_t> blocks_, floats_;
};

TEST_F(ProductWalkTest, UnitsAreTheFeaturesOfOneProductAfterTheOther) {
  std::vector<float> first, second, expected_first, expected_second;
  const auto expected = Walk(expected_first, expected_second);
  OracleMatMul({expected[0]}, {0, 4});
  OracleMatMul({expected[1]}, {0, 2});
  for (int64_t begin = 0; begin <= 6; ++begin) {
    for (int64_t end = begin; end <= 6; ++end) {
      OracleMatMul(Walk(first, second), {begin, end});
      for (int64_t m = 0; m < 2; ++m) {
        for (int64_t n = 0; n < 4; ++n) {
          const bool done = n >= begin && n < end;
          EXPECT_EQ(first[m * 4 + n], done ? expected_first[m * 4 + n] : -1.0f) << begin << end;
        }
        for (int64_t n = 0; n < 3; ++n) {
          const bool done = n < 2 && n + 4 >= begin && n + 4 < end;
          EXPECT_EQ(second[m * 3 + n], done ? expected_second[m * 3 + n] : -1.0f) << begin << end;
        }
      }
    }
  }
}

TEST_F(ProductWalkTest, WalksThatDoNotFitAreRefused) {
  std::vector<float> first, second;
  auto walk = Walk(first, second);
  EXPECT_TRUE(CheckMatMul(walk, {0, 6}).ok());
  EXPECT_FALSE(CheckMatMul(walk, {0, 7}).ok());
  walk[1].num_rows = 1;
  EXPECT_FALSE(CheckMatMul(walk, {0, 6}).ok()) << "products of 2 rows and of 1";
  walk[1] = walk[0];
  walk.resize(backend::kProductsMax, walk[0]);
  EXPECT_TRUE(CheckMatMul(walk, {0, 16}).ok());
  walk.push_back(walk[0]);
  EXPECT_FALSE(CheckMatMul(walk, {0, 16}).ok()) << "five products";
  EXPECT_FALSE(CheckMatMul({}, {0, 0}).ok());
}

}  // namespace
}  // namespace llmrt::ops
