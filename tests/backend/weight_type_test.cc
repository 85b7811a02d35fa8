// The geometry of the block types: lengths that every file reader and every kernel relies on.
#include "backend/weight_type.h"

#include <limits>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace llmrt::backend {
namespace {

TEST(WeightTypeTest, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (int i = 0; i < kWeightTypeCount; ++i) {
    names.insert(GeometryOf(static_cast<WeightType>(i)).name);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kWeightTypeCount));
}

// The sums that a block's parts make: f16 is 2 bytes, a nibble half a byte.
TEST(WeightTypeTest, BlockBytesAreTheSumOfTheirParts) {
  EXPECT_EQ(GeometryOf(WeightType::kQ8_0).bytes, 2 + 32);
  EXPECT_EQ(GeometryOf(WeightType::kQ4_0).bytes, 2 + 16);
  EXPECT_EQ(GeometryOf(WeightType::kQ4_1).bytes, 2 + 2 + 16);
  EXPECT_EQ(GeometryOf(WeightType::kQ5_0).bytes, 2 + 4 + 16);
  EXPECT_EQ(GeometryOf(WeightType::kQ5_1).bytes, 2 + 2 + 4 + 16);
  EXPECT_EQ(GeometryOf(WeightType::kQ4_K).bytes, 2 + 2 + 12 + 128);
  EXPECT_EQ(GeometryOf(WeightType::kQ5_K).bytes, 2 + 2 + 12 + 32 + 128);
  EXPECT_EQ(GeometryOf(WeightType::kQ6_K).bytes, 128 + 64 + 16 + 2);
}

TEST(WeightTypeTest, RowBytesCountWholeBlocksOnly) {
  EXPECT_EQ(RowBytes(WeightType::kF32, 5), 20);
  EXPECT_EQ(RowBytes(WeightType::kBF16, 5), 10);
  EXPECT_EQ(RowBytes(WeightType::kQ8_0, 64), 68);
  EXPECT_EQ(RowBytes(WeightType::kQ6_K, 512), 420);
  EXPECT_EQ(RowBytes(WeightType::kQ8_0, 0), 0);
  EXPECT_EQ(RowBytes(WeightType::kQ8_0, 33), std::nullopt);
  EXPECT_EQ(RowBytes(WeightType::kQ4_K, 128), std::nullopt);
  EXPECT_EQ(RowBytes(WeightType::kF32, -4), std::nullopt);
}

TEST(WeightTypeTest, QuantizedTypesAreThoseWithBlocks) {
  for (int i = 0; i < kWeightTypeCount; ++i) {
    const auto type = static_cast<WeightType>(i);
    EXPECT_EQ(IsQuantized(type), GeometryOf(type).values > 1) << GeometryOf(type).name;
  }
}

}  // namespace
}  // namespace llmrt::backend
