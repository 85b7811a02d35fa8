#include "formats/gguf_types.h"

#include <set>

#include "gtest/gtest.h"

namespace llmrt::formats {
namespace {

TEST(GgufTypesTest, WeightTypesMapBothWays) {
  std::set<uint32_t> numbers;
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = static_cast<backend::WeightType>(i);
    const uint32_t number = GgufTypeOf(type);
    numbers.insert(number);
    EXPECT_EQ(WeightTypeOfGguf(number), type);
    EXPECT_EQ(GgufTensorTypeName(number), backend::GeometryOf(type).name);
  }
  EXPECT_EQ(numbers.size(), static_cast<size_t>(backend::kWeightTypeCount));
}

TEST(GgufTypesTest, OtherTensorTypesHaveNamesOnly) {
  EXPECT_EQ(WeightTypeOfGguf(10), std::nullopt);
  EXPECT_EQ(GgufTensorTypeName(10), "Q2_K");
  EXPECT_EQ(GgufTensorTypeName(23), "IQ4_XS");
  EXPECT_EQ(GgufTensorTypeName(39), "MXFP4");
  EXPECT_EQ(GgufTensorTypeName(4), "type 4");  // withdrawn
  EXPECT_EQ(GgufTensorTypeName(40), "type 40");
  EXPECT_EQ(GgufTensorTypeName(0xffffffff), "type 4294967295");
}

TEST(GgufTypesTest, MinimumBytesAreThoseOfAnEmptyValue) {
  EXPECT_EQ(GgufMinimumBytes(GgufValueType::kBool), 1);
  EXPECT_EQ(GgufMinimumBytes(GgufValueType::kInt16), 2);
  EXPECT_EQ(GgufMinimumBytes(GgufValueType::kFloat32), 4);
  EXPECT_EQ(GgufMinimumBytes(GgufValueType::kFloat64), 8);
  EXPECT_EQ(GgufMinimumBytes(GgufValueType::kString), 8);
  EXPECT_EQ(GgufMinimumBytes(GgufValueType::kArray), 12);
}

}  // namespace
}  // namespace llmrt::formats
