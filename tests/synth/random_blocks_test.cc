#include "synth/random_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "numerics/float_types.h"
#include "quant/dequantize.h"
#include "synth/shapes.h"

namespace llmrt::synth {
namespace {

using backend::WeightType;

constexpr int kValues = 1 << 16;

std::vector<uint8_t> Bytes(WeightType type, int64_t cols, uint64_t seed = 1, uint32_t tensor = 0) {
  std::vector<uint8_t> bytes(static_cast<size_t>(*backend::RowBytes(type, kValues)));
  RandomBlocks(type, cols, seed, tensor).Fill(absl::MakeSpan(bytes));
  return bytes;
}

std::vector<float> Values(WeightType type, const std::vector<uint8_t>& bytes) {
  std::vector<float> values(kValues);
  EXPECT_TRUE(quant::DequantizeRow(type, bytes, absl::MakeSpan(values)).ok());
  return values;
}

// Where the f16 numbers of a block stand.
std::vector<size_t> ScalePlaces(WeightType type) {
  switch (type) {
    case WeightType::kQ6_K:
      return {208};
    case WeightType::kQ8_0:
    case WeightType::kQ4_0:
    case WeightType::kQ5_0:
      return {0};
    default:
      return {0, 2};
  }
}

class RandomBlocksTest : public testing::TestWithParam<int> {
 protected:
  WeightType type() const { return static_cast<WeightType>(GetParam()); }
};

TEST_P(RandomBlocksTest, WeightsHaveTheDeviationOfTrainedOnes) {
  for (const int64_t cols : {256, 2048, 14336}) {
    const std::vector<float> values = Values(type(), Bytes(type(), cols));
    double sum = 0;
    double squares = 0;
    for (const float value : values) {
      ASSERT_TRUE(std::isfinite(value));
      sum += value;
      squares += double{value} * value;
    }
    const double expected = 1 / std::sqrt(static_cast<double>(cols));
    // 65536 values, of which those of a block share a scale that varies by 15 %: the root mean
    // square of at least 256 blocks strays by 1 %, the rounding of scales to f16 by 0.1 %, the
    // constants in random_blocks.cc are good to 1 %. The mean strays by deviation / 256, more where
    // a block shares the sign of its half code (0.5 / 4.64 of the deviation over sqrt(2048)).
    EXPECT_NEAR(std::sqrt(squares / kValues) / expected, 1, 0.05) << cols;
    EXPECT_NEAR(sum / kValues / expected, 0, 0.03) << cols;
  }
}

TEST_P(RandomBlocksTest, NoScaleAndNoPlainWeightIsZeroDenormalOrInfinite) {
  for (const ModelShape& shape : Shapes()) {
    for (const int64_t cols : {int64_t{shape.width}, int64_t{shape.ffn_width}}) {
      const std::vector<uint8_t> bytes = Bytes(type(), cols);
      if (!backend::IsQuantized(type())) {
        const double smallest = type() == WeightType::kF16 ? 0x1p-14 : 0x1p-126;
        for (const float value : Values(type(), bytes)) ASSERT_GE(std::abs(value), smallest);
        continue;
      }
      const size_t block_bytes = static_cast<size_t>(backend::GeometryOf(type()).bytes);
      for (size_t block = 0; block < bytes.size(); block += block_bytes) {
        for (const size_t place : ScalePlaces(type())) {
          uint16_t half;
          std::memcpy(&half, bytes.data() + block + place, sizeof half);
          const int exponent = half >> 10 & 31;
          ASSERT_TRUE(exponent > 0 && exponent < 31) << shape.name << " " << cols;
        }
      }
    }
  }
}

TEST_P(RandomBlocksTest, EqualSeedsGiveEqualBytesHoweverTheyAreCut) {
  const std::vector<uint8_t> whole = Bytes(type(), 2048);
  EXPECT_EQ(Bytes(type(), 2048), whole);
  std::vector<uint8_t> cut(whole.size());
  RandomBlocks blocks(type(), 2048, 1, 0);
  const size_t group = 8 * static_cast<size_t>(backend::GeometryOf(type()).bytes);
  for (size_t first = 0; first < cut.size(); first += 3 * group) {
    blocks.Fill(absl::MakeSpan(cut).subspan(first, 3 * group));
  }
  EXPECT_EQ(cut, whole);
}

TEST_P(RandomBlocksTest, SeedsAndTensorsDiffer) {
  EXPECT_NE(Bytes(type(), 2048, 1), Bytes(type(), 2048, 2));
  EXPECT_NE(Bytes(type(), 2048, 1), Bytes(type(), 2048, uint64_t{1} << 32 | 1));
  EXPECT_NE(Bytes(type(), 2048, 1, 0), Bytes(type(), 2048, 1, 1));
}

INSTANTIATE_TEST_SUITE_P(Types, RandomBlocksTest, testing::Range(0, backend::kWeightTypeCount),
                         [](const testing::TestParamInfo<int>& info) {
                           return std::string(
                               backend::GeometryOf(static_cast<WeightType>(info.param)).name);
                         });

TEST(RandomBlocksQ8Test, TheLowestCodeIsNeverWritten) {
  const std::vector<uint8_t> bytes = Bytes(WeightType::kQ8_0, 2048);
  for (size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_TRUE(i % 34 < 2 || bytes[i] != 0x80) << i;
  }
}

TEST(FillNormTest, ValuesLieAroundOne) {
  std::vector<float> values(4096);
  FillNorm(7, 3, absl::MakeSpan(values));
  double sum = 0;
  for (const float value : values) {
    ASSERT_GE(value, 0.5f);
    ASSERT_LT(value, 1.5f);
    sum += value;
  }
  // Uniform in a width of 1: the mean of 4096 strays by 0.29 / 64 = 0.0045; five times that.
  EXPECT_NEAR(sum / 4096, 1, 0.0225);
}

}  // namespace
}  // namespace llmrt::synth
