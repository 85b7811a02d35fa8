// Which class a weight type's products run in, and how long prepared activations are.
#include "backend/numeric_class.h"

#include "gtest/gtest.h"

namespace llmrt::backend {
namespace {

TEST(NumericClassTest, EveryQuantizedTypeSharesTheIntegerClass) {
  for (int i = 0; i < kWeightTypeCount; ++i) {
    const auto type = static_cast<WeightType>(i);
    EXPECT_EQ(ClassOf(type).activation == ActivationFormat::kInt8, IsQuantized(type));
  }
}

TEST(NumericClassTest, FloatTypesReadFloatActivations) {
  EXPECT_EQ(ClassOf(WeightType::kF32).activation, ActivationFormat::kF32);
  EXPECT_EQ(ClassOf(WeightType::kF16).activation, ActivationFormat::kF32);
  EXPECT_EQ(ClassOf(WeightType::kBF16).activation, ActivationFormat::kBF16);
  EXPECT_EQ(ClassOf(WeightType::kF32).name, ClassOf(WeightType::kF16).name);
  EXPECT_NE(ClassOf(WeightType::kF32).name, ClassOf(WeightType::kBF16).name);
}

TEST(NumericClassTest, RowsAreRoundedUpToWholeVectorsOrBlocks) {
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kF32, 16), 64);
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kF32, 17), 128);
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kBF16, 172), 384);
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kInt8, 32), 40);
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kInt8, 33), 80);
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kInt8, 0), 0);
}

TEST(NumericClassTest, ChunksHoldWholeBlocks) {
  EXPECT_EQ(kChunkK % kActivationBlockValues, 0);
  EXPECT_EQ(kChunkK % GeometryOf(WeightType::kQ4_K).values, 0);
}

}  // namespace
}  // namespace llmrt::backend
