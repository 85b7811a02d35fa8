// Products with BF16 weights: every tier against the oracle, bit for bit.
#include <string>

#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/matmul_case.h"

namespace llmrt::cpu {
namespace {

using backend::WeightType;

class MatMulBFloatTest : public testing::TestWithParam<backend::CpuTier> {};

TEST_P(MatMulBFloatTest, EveryRowCountGivesTheOraclesBits) {
  CheckEveryRowCount(WeightType::kBF16, GetParam());
}

TEST_P(MatMulBFloatTest, EveryCutIntoTasksGivesTheOraclesBits) {
  CheckTaskThresholds(WeightType::kBF16, GetParam());
}

TEST_P(MatMulBFloatTest, ShapesAroundChunksAndPanelsGiveTheOraclesBits) {
  // Rows are padded to whole pairs of 16: K % 32 from 1 to 31, below one chunk and beyond it.
  CheckShapes(WeightType::kBF16, GetParam(),
              {1, 8, 17, 20, 24, 32, 172, 480, 512, 513, 520, 521, 1055, 1056});
}

TEST_P(MatMulBFloatTest, RowsAroundBandsGiveTheOraclesBits) {
  CheckFloatBands(WeightType::kBF16, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Tiers, MatMulBFloatTest, testing::ValuesIn(TestedTiers()),
                         [](const auto& info) { return std::string(TierName(info.param)); });

}  // namespace
}  // namespace llmrt::cpu
