// Bit for bit against the golden blocks; lengths are checked, special values pass through.
#include "quant/dequantize.h"

#include <bit>
#include <cmath>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/quant/block_types_golden.h"

namespace llmrt::quant {
namespace {

using backend::WeightType;
using ::testing::HasSubstr;

TEST(DequantizeTest, GoldenBlocksComeOutBitForBit) {
  if (testing::SkipWithoutFile(GoldenPath())) return;
  const std::vector<GoldenBlocks> golden = LoadGoldenBlocks();
  std::set<WeightType> seen;
  for (const GoldenBlocks& blocks : golden) {
    const std::string name(backend::GeometryOf(blocks.type).name);
    SCOPED_TRACE(name);
    std::vector<float> out(blocks.values.size());
    ASSERT_TRUE(DequantizeRow(blocks.type, blocks.raw, absl::MakeSpan(out)).ok());
    ASSERT_GE(out.size(), 32u);
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(blocks.values[i]))
          << "value " << i << ": " << out[i] << " for " << blocks.values[i];
    }
    seen.insert(blocks.type);
  }
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = static_cast<WeightType>(i);
    if (backend::IsQuantized(type)) {
      EXPECT_TRUE(seen.contains(type)) << backend::GeometryOf(type).name;
    }
  }
}

TEST(DequantizeTest, Float32IsCopiedBitForBit) {
  const std::vector<uint8_t> row = {0, 0, 0x80, 0x3f, 1, 0, 0, 0, 1, 0, 0x80, 0x7f};
  std::vector<float> out(3);
  ASSERT_TRUE(DequantizeRow(WeightType::kF32, row, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(std::bit_cast<uint32_t>(out[1]), 1u);           // a denormal
  EXPECT_EQ(std::bit_cast<uint32_t>(out[2]), 0x7f800001u);  // a signalling NaN
}

TEST(DequantizeTest, SixteenBitTypesWiden) {
  const std::vector<uint8_t> half = {0x00, 0x3c, 0x01, 0x00, 0x00, 0xfc, 0xff, 0x7b};
  std::vector<float> out(4);
  ASSERT_TRUE(DequantizeRow(WeightType::kF16, half, absl::MakeSpan(out)).ok());
  EXPECT_THAT(out, ::testing::ElementsAre(1.0f, 0x1p-24f, -INFINITY, 65504.0f));
  const std::vector<uint8_t> brain = {0x80, 0x3f, 0x00, 0x80, 0x80, 0x7f, 0x49, 0x40};
  ASSERT_TRUE(DequantizeRow(WeightType::kBF16, brain, absl::MakeSpan(out)).ok());
  EXPECT_THAT(out, ::testing::ElementsAre(1.0f, -0.0f, INFINITY, 3.140625f));
}

TEST(DequantizeTest, EmptyRowIsFine) {
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    EXPECT_TRUE(DequantizeRow(static_cast<WeightType>(i), {}, {}).ok());
  }
}

TEST(DequantizeTest, LengthsThatDoNotMatchAreNamed) {
  std::vector<uint8_t> row(34);
  std::vector<float> out(33);
  absl::Status status = DequantizeRow(WeightType::kQ8_0, row, absl::MakeSpan(out));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("33 values is not whole Q8_0 blocks of 32"));
  out.resize(64);
  status = DequantizeRow(WeightType::kQ8_0, row, absl::MakeSpan(out));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              HasSubstr("34 bytes given for 64 Q8_0 values, which take 68 bytes"));
}

TEST(DequantizeTest, ValuesWithoutOffsetKeepTheSignOfZero) {
  std::vector<uint8_t> row(34, 0);
  row[0] = 0x00;
  row[1] = 0xbc;  // scale -1: 0 * -1 is -0
  row[2] = 3;
  std::vector<float> out(32);
  ASSERT_TRUE(DequantizeRow(WeightType::kQ8_0, row, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[0], -3.0f);
  EXPECT_TRUE(std::signbit(out[1]));
}

}  // namespace
}  // namespace llmrt::quant
