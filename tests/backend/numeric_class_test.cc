// Which class a weight type's products run in, and how long prepared activations are.
#include "backend/numeric_class.h"

#include "backend/describe_class.h"
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

// What the rules ask a class to fix, in the terms of the constants that kernels use.
TEST(NumericClassTest, AClassNamesItsChunksStepsAndBlocks) {
  for (int i = 0; i < kWeightTypeCount; ++i) {
    const NumericClass& c = ClassOf(static_cast<WeightType>(i));
    EXPECT_EQ(c.k_chunk, kChunkK) << c.name;
    EXPECT_EQ(c.k_chunk % c.k_step, 0) << c.name;
    EXPECT_EQ(c.activation_block, c.activation == ActivationFormat::kInt8 ? 32 : 1) << c.name;
    EXPECT_FALSE(c.scales.empty());
    EXPECT_FALSE(c.rounded_at.empty());
    EXPECT_LT(c.name.size(), 32u) << "llmrt_tensor_info has 32 bytes for it";
  }
  EXPECT_EQ(ClassOf(WeightType::kF32).k_step, 16);
  EXPECT_EQ(ClassOf(WeightType::kBF16).k_step, 32);
  EXPECT_EQ(kFloat32Plain.k_chunk, 0);
}

TEST(NumericClassTest, MatrixUnitsHaveClassesOfTheirOwn) {
  for (const NumericClass& c : {kFloat16Mma, kBFloat16Mma}) {
    EXPECT_EQ(c.k_step, 16) << c.name;
    EXPECT_EQ(c.k_chunk, kChunkK) << c.name;
    EXPECT_EQ(c.activation_block, 1) << c.name;
    EXPECT_LT(c.name.size(), 32u) << c.name;
  }
  EXPECT_EQ(DescribeClass(kFloat16Mma).substr(0, 43),
            "float16-mma-16: float16 activations, blocks");
  EXPECT_NE(kBFloat16Mma.name, kBFloat16Pairs.name);
}

TEST(NumericClassTest, ADescriptionHasEveryField) {
  EXPECT_EQ(DescribeClass(kInt8Blocks),
            "int8-blocks-32: int8 activations, blocks of 32; K in chunks of 512, steps of 32; "
            "scales: fma(isum, scale_w * scale_a, acc) a scale group, then fma(sum_a, offset_w * "
            "scale_a, acc); rounded at: activation to int8 and its scale, each product of scales, "
            "each fma, each chunk's addition");
  EXPECT_EQ(DescribeClass(kFloat32Plain).substr(0, 72),
            "float32-plain: float32 activations, blocks of 1; K in one run, steps of ");
}

TEST(NumericClassTest, RowsAreRoundedUpToWholeVectorsOrBlocks) {
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kF32, 16), 128);
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kF32, 33), 256);
  EXPECT_EQ(ActivationRowBytes(ActivationFormat::kF16, 65), 256);
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
