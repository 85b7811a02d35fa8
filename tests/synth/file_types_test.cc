#include "synth/file_types.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace llmrt::synth {
namespace {

using backend::WeightType;

WeightType TypeOf(std::string_view file_type, const TensorPlace& place) {
  return TypeOfMatrix(*FindFileType(file_type), place);
}

// A matrix of a model with 16 layers and rows of 2048 values.
TensorPlace Place(TensorRole role, int32_t layer = 5, int64_t cols = 2048) {
  return {.role = role, .cols = cols, .layer = layer, .num_layers = 16};
}

TEST(FileTypesTest, EveryTypeOfTheRuntimeHasAFileType) {
  std::set<WeightType> bases;
  for (const FileType& file_type : FileTypes()) {
    EXPECT_EQ(FindFileType(file_type.name), &file_type);
    bases.insert(file_type.base);
  }
  EXPECT_EQ(bases.size(), static_cast<size_t>(backend::kWeightTypeCount));
  EXPECT_EQ(FindFileType("q3_k_m"), nullptr);
  EXPECT_EQ(FindFileType("Q4_0"), nullptr);
}

TEST(FileTypesTest, ShortNamesOfKMixesMeanTheMediumOnes) {
  for (const char* name : {"q4_k", "q5_k"}) {
    const FileType& medium = *FindFileType(std::string(name) + "_m");
    EXPECT_EQ(FindFileType(name)->number, medium.number);
    EXPECT_EQ(FindFileType(name)->mix, medium.mix);
  }
}

TEST(FileTypesTest, TheOutputMatrixOfQuantizedFilesIsQ6_K) {
  for (const char* name : {"q4_0", "q4_1", "q5_0", "q5_1", "q4_k_s", "q4_k_m", "q5_k_m", "q6_k"}) {
    EXPECT_EQ(TypeOf(name, Place(TensorRole::kOutput)), WeightType::kQ6_K) << name;
  }
  EXPECT_EQ(TypeOf("q8_0", Place(TensorRole::kOutput)), WeightType::kQ8_0);
  EXPECT_EQ(TypeOf("f16", Place(TensorRole::kOutput)), WeightType::kF16);
}

TEST(FileTypesTest, ATiedEmbeddingIsTheOutputMatrix) {
  TensorPlace place = Place(TensorRole::kEmbedding);
  EXPECT_EQ(TypeOf("q4_0", place), WeightType::kQ4_0);
  place.tied = true;
  EXPECT_EQ(TypeOf("q4_0", place), WeightType::kQ6_K);
  EXPECT_EQ(TypeOf("q8_0", place), WeightType::kQ8_0);
  EXPECT_EQ(TypeOf("bf16", place), WeightType::kBF16);
}

TEST(FileTypesTest, MoreBitsGoToBothEndsAndEveryThirdBetween) {
  // 16 layers, an eighth is 2: layers 0, 1, then 4, 7, 10, 13 (two after each third), then 14, 15.
  std::string layers;
  for (int32_t layer = 0; layer < 16; ++layer) layers += GetsMoreBits(layer, 16) ? 'x' : '.';
  EXPECT_EQ(layers, "xx..x..x..x..xxx");
}

TEST(FileTypesTest, MediumMixesRaiseValuesAndDownProjectionsOnly) {
  for (const TensorRole role : {TensorRole::kAttentionV, TensorRole::kFfnDown}) {
    EXPECT_EQ(TypeOf("q4_k_m", Place(role, 0)), WeightType::kQ6_K);
    EXPECT_EQ(TypeOf("q4_k_m", Place(role, 2)), WeightType::kQ4_K);
    EXPECT_EQ(TypeOf("q5_k_m", Place(role, 15)), WeightType::kQ6_K);
    EXPECT_EQ(TypeOf("q5_k_m", Place(role, 3)), WeightType::kQ5_K);
    EXPECT_EQ(TypeOf("q4_0", Place(role, 0)), WeightType::kQ4_0);
  }
  EXPECT_EQ(TypeOf("q4_k_m", Place(TensorRole::kOther, 0)), WeightType::kQ4_K);
}

TEST(FileTypesTest, TheSmallFourBitMixRaisesTheFirstLayers) {
  EXPECT_EQ(TypeOf("q4_k_s", Place(TensorRole::kAttentionV, 3)), WeightType::kQ5_K);
  EXPECT_EQ(TypeOf("q4_k_s", Place(TensorRole::kAttentionV, 4)), WeightType::kQ4_K);
  EXPECT_EQ(TypeOf("q4_k_s", Place(TensorRole::kFfnDown, 1)), WeightType::kQ5_K);
  EXPECT_EQ(TypeOf("q4_k_s", Place(TensorRole::kFfnDown, 2)), WeightType::kQ4_K);
  EXPECT_EQ(TypeOf("q5_k_s", Place(TensorRole::kFfnDown, 0)), WeightType::kQ5_K);
}

TEST(FileTypesTest, RowsThatBlocksOf256DoNotDivideFallBackToBlocksOf32) {
  const int64_t cols = 896;
  EXPECT_EQ(TypeOf("q4_k_m", Place(TensorRole::kOther, 2, cols)), WeightType::kQ5_0);
  EXPECT_EQ(TypeOf("q5_k_m", Place(TensorRole::kOther, 2, cols)), WeightType::kQ5_1);
  EXPECT_EQ(TypeOf("q6_k", Place(TensorRole::kOther, 2, cols)), WeightType::kQ8_0);
  EXPECT_EQ(TypeOf("q4_k_m", Place(TensorRole::kAttentionV, 0, cols)), WeightType::kQ8_0);
  EXPECT_EQ(TypeOf("q4_0", Place(TensorRole::kOutput, 0, cols)), WeightType::kQ8_0);
  EXPECT_EQ(TypeOf("q4_0", Place(TensorRole::kOther, 0, cols)), WeightType::kQ4_0);
}

TEST(FileTypesTest, RowsThatNoBlockDividesAreF16) {
  EXPECT_EQ(TypeOf("q4_0", Place(TensorRole::kOther, 0, 100)), WeightType::kF16);
  EXPECT_EQ(TypeOf("q6_k", Place(TensorRole::kOther, 0, 100)), WeightType::kF16);
  EXPECT_EQ(TypeOf("f32", Place(TensorRole::kOther, 0, 100)), WeightType::kF32);
}

}  // namespace
}  // namespace llmrt::synth
