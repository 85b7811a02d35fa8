// The K types' own promises, beyond those that quantize_test.cc checks for every type.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "quant/dequantize.h"
#include "quant/integer_block.h"
#include "quant/quantize.h"

namespace llmrt::quant {
namespace {

using backend::WeightType;

constexpr WeightType kTypes[] = {WeightType::kQ4_K, WeightType::kQ5_K, WeightType::kQ6_K};

std::vector<uint8_t> Quantize(WeightType type, const std::vector<float>& values) {
  std::vector<uint8_t> row(*backend::RowBytes(type, static_cast<int64_t>(values.size())));
  EXPECT_TRUE(QuantizeRow(type, values, absl::MakeSpan(row)).ok());
  return row;
}

TEST(QuantizeKTest, PartsOfOneBlockHaveTheirOwnScales) {
  // Part p spans +-2^(p - 8): one scale for all would leave the first parts nothing.
  std::vector<float> values(256);
  for (int i = 0; i < 256; ++i) {
    values[i] = std::ldexp(static_cast<float>(i % 32 - 16) / 16.0f, i / 32 - 8);
  }
  for (WeightType type : kTypes) {
    const std::vector<uint8_t> row = Quantize(type, values);
    float previous = 0;
    for (int64_t part = 3; part < 8; ++part) {
      IntegerBlock block;
      DecodeIntegerBlock(type, row.data(), part, &block);
      const float scale = std::abs(block.scale[0]);
      EXPECT_GT(scale, 1.5f * previous) << backend::GeometryOf(type).name << " part " << part;
      previous = scale;
    }
  }
}

// Values far from zero and of one sign: the minimum of a part is never positive, so positive parts
// keep 0 in their range and negative ones end at it.
TEST(QuantizeKTest, OneSidedPartsKeepZeroInTheirRange) {
  for (WeightType type : {WeightType::kQ4_K, WeightType::kQ5_K}) {
    std::vector<float> values(256);
    for (int i = 0; i < 256; ++i) values[i] = (i < 128 ? 1.0f : -1.0f) * (1.0f + i % 32 * 0.01f);
    const std::vector<uint8_t> row = Quantize(type, values);
    for (int64_t part = 0; part < 8; ++part) {
      IntegerBlock block;
      DecodeIntegerBlock(type, row.data(), part, &block);
      EXPECT_EQ(block.offset == 0, part < 4) << backend::GeometryOf(type).name << " part " << part;
    }
  }
}

TEST(QuantizeKTest, ExtremeOfTheLargestPartOfQ6KIsItsLowestCode) {
  std::vector<float> values(256, 0.001f);
  values[100] = -0.75f;
  values[200] = 0.75f;
  const std::vector<uint8_t> row = Quantize(WeightType::kQ6_K, values);
  for (int index : {100, 200}) {
    IntegerBlock block;
    DecodeIntegerBlock(WeightType::kQ6_K, row.data(), index / 32, &block);
    // Scales are signed, and one side of -128..127 ends a step early.
    EXPECT_LE(block.q[index % 32], -31) << index;
    EXPECT_NEAR(block.scale[index % 32 / 16] * block.q[index % 32], values[index], 0.0075f);
  }
}

}  // namespace
}  // namespace llmrt::quant
