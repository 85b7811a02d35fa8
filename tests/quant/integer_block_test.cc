// The integer view: its ranges, its exactness, and that it says the same as the golden values.
#include "quant/integer_block.h"

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "quant/dequantize.h"
#include "tests/quant/block_types_golden.h"

namespace llmrt::quant {
namespace {

using backend::WeightType;

std::vector<WeightType> QuantizedTypes() {
  std::vector<WeightType> types;
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    if (backend::IsQuantized(static_cast<WeightType>(i)))
      types.push_back(static_cast<WeightType>(i));
  }
  return types;
}

struct CodeRange {
  int low;
  int high;
};

CodeRange RangeOf(WeightType type) {
  switch (type) {
    case WeightType::kQ8_0:
      return {-128, 127};
    case WeightType::kQ4_0:
      return {-8, 7};
    case WeightType::kQ5_0:
      return {-16, 15};
    case WeightType::kQ6_K:
      return {-32, 31};
    case WeightType::kQ4_1:
    case WeightType::kQ4_K:
      return {0, 15};
    default:
      return {0, 31};
  }
}

// Random bytes: every bit pattern of codes and scales turns up; scales that are not finite are
// skipped by the callers that compare values.
std::vector<uint8_t> RandomRow(WeightType type, int64_t values, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> row(*backend::RowBytes(type, values));
  for (uint8_t& byte : row) byte = static_cast<uint8_t>(random());
  return row;
}

TEST(IntegerBlockTest, CodesFillTheirRangeAndNeverLeaveIt) {
  for (WeightType type : QuantizedTypes()) {
    SCOPED_TRACE(backend::GeometryOf(type).name);
    const std::vector<uint8_t> row = RandomRow(type, 256 * 64, 1);
    int low = 0;
    int high = 0;
    for (int64_t b = 0; b < 8 * 64; ++b) {
      IntegerBlock block;
      DecodeIntegerBlock(type, row.data(), b, &block);
      for (int8_t q : block.q) {
        low = std::min<int>(low, q);
        high = std::max<int>(high, q);
      }
      EXPECT_EQ(block.num_groups, type == WeightType::kQ6_K ? 2 : 1);
    }
    EXPECT_EQ(low, RangeOf(type).low);
    EXPECT_EQ(high, RangeOf(type).high);
  }
}

// scale * q + offset in double has 53 bits for a sum of at most 22 + 17 bits whose exponents are at
// most 2^16 / 2^-24 apart: exact. So equality with the float result, rounded once from it, is the
// whole claim.
TEST(IntegerBlockTest, ValueIsTheExactSumRoundedOnce) {
  for (WeightType type : QuantizedTypes()) {
    SCOPED_TRACE(backend::GeometryOf(type).name);
    constexpr int64_t kValues = 256 * 64;
    const std::vector<uint8_t> row = RandomRow(type, kValues, 2);
    std::vector<float> expected(kValues);
    ASSERT_TRUE(DequantizeRow(type, row, absl::MakeSpan(expected)).ok());
    int64_t compared = 0;
    for (int64_t i = 0; i < kValues; ++i) {
      IntegerBlock block;
      DecodeIntegerBlock(type, row.data(), i / 32, &block);
      const double scale = block.scale[i % 32 / (32 / block.num_groups)];
      if (!std::isfinite(scale) || !std::isfinite(block.offset)) continue;
      const double exact = scale * block.q[i % 32] + (block.has_offset ? block.offset : 0.0);
      ASSERT_EQ(static_cast<float>(exact), expected[i]) << "value " << i;
      if (!block.has_offset) {
        ASSERT_EQ(exact, static_cast<double>(expected[i]));
      }
      ++compared;
    }
    EXPECT_GT(compared, kValues / 2);
  }
}

TEST(IntegerBlockTest, ScaleTimesCodeIsExactAtTheExtremes) {
  // Q6_K: the largest f16 with all mantissa bits, scale -127, code 31: 11 + 7 + 5 bits.
  std::vector<uint8_t> row(210, 0xff);
  row[208] = 0xff;
  row[209] = 0x7b;
  for (int i = 192; i < 208; ++i) row[i] = 0x81;
  IntegerBlock block;
  DecodeIntegerBlock(WeightType::kQ6_K, row.data(), 7, &block);
  EXPECT_EQ(block.scale[1], -65504.0f * 127);
  EXPECT_EQ(block.q[31], 31);
  EXPECT_EQ(static_cast<double>(block.scale[1] * 31.0f), -65504.0 * 127 * 31);
}

TEST(IntegerBlockTest, FusedAndPlainSumsAgree) {
  for (WeightType type :
       {WeightType::kQ4_1, WeightType::kQ5_1, WeightType::kQ4_K, WeightType::kQ5_K}) {
    const std::vector<uint8_t> row = RandomRow(type, 256 * 16, 3);
    for (int64_t b = 0; b < 8 * 16; ++b) {
      IntegerBlock block;
      DecodeIntegerBlock(type, row.data(), b, &block);
      EXPECT_TRUE(block.has_offset);
      if (!std::isfinite(block.scale[0]) || !std::isfinite(block.offset)) continue;
      for (int8_t q : block.q) {
        const auto code = static_cast<float>(q);
        ASSERT_EQ(std::fma(block.scale[0], code, block.offset),
                  block.scale[0] * code + block.offset);
      }
    }
  }
}

TEST(IntegerBlockTest, GoldenValuesFollowFromCodesAndScales) {
  if (testing::SkipWithoutFile(GoldenPath())) return;
  const std::vector<GoldenBlocks> golden = LoadGoldenBlocks();
  ASSERT_FALSE(golden.empty());
  for (const GoldenBlocks& blocks : golden) {
    if (!backend::IsQuantized(blocks.type)) continue;
    for (size_t i = 0; i < blocks.values.size(); ++i) {
      IntegerBlock block;
      DecodeIntegerBlock(blocks.type, blocks.raw.data(), static_cast<int64_t>(i / 32), &block);
      const float scale = block.scale[i % 32 / (32 / block.num_groups)];
      const float product = scale * static_cast<float>(block.q[i % 32]);
      const float value = block.has_offset ? product + block.offset : product;
      ASSERT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(blocks.values[i]));
    }
  }
}

TEST(IntegerBlockTest, StaleFieldsOfTheOutputAreOverwritten) {
  const std::vector<uint8_t> with_offset = RandomRow(WeightType::kQ4_K, 256, 4);
  const std::vector<uint8_t> two_groups = RandomRow(WeightType::kQ6_K, 256, 5);
  const std::vector<uint8_t> plain = RandomRow(WeightType::kQ8_0, 32, 6);
  IntegerBlock block;
  DecodeIntegerBlock(WeightType::kQ6_K, two_groups.data(), 0, &block);
  DecodeIntegerBlock(WeightType::kQ4_K, with_offset.data(), 0, &block);
  EXPECT_EQ(block.num_groups, 1);
  DecodeIntegerBlock(WeightType::kQ8_0, plain.data(), 0, &block);
  EXPECT_FALSE(block.has_offset);
  EXPECT_EQ(block.offset, 0.0f);
}

TEST(IntegerBlockTest, TypeWithoutBlocksGivesZeros) {
  const std::vector<uint8_t> row(128, 0x55);
  IntegerBlock block;
  block.scale[0] = 3;
  block.q[5] = 7;
  DecodeIntegerBlock(WeightType::kF32, row.data(), 0, &block);
  EXPECT_EQ(block.scale[0], 0.0f);
  EXPECT_EQ(block.q[5], 0);
}

}  // namespace
}  // namespace llmrt::quant
