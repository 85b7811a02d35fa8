// Products with F32 and F16 weights: every tier against the oracle, bit for bit.
#include <string>
#include <tuple>

#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/matmul_case.h"

namespace llmrt::cpu {
namespace {

using backend::CpuTier;
using backend::WeightType;

class MatMulFloatTest : public testing::TestWithParam<std::tuple<WeightType, CpuTier>> {};

TEST_P(MatMulFloatTest, EveryRowCountGivesTheOraclesBits) {
  CheckEveryRowCount(std::get<0>(GetParam()), std::get<1>(GetParam()));
}

TEST_P(MatMulFloatTest, EveryCutIntoTasksGivesTheOraclesBits) {
  CheckTaskThresholds(std::get<0>(GetParam()), std::get<1>(GetParam()));
}

TEST_P(MatMulFloatTest, ShapesAroundChunksAndPanelsGiveTheOraclesBits) {
  const auto [type, tier] = GetParam();
  // Rows are padded to whole lanes: K % 16 from 1 to 8 and above, below one chunk and beyond it.
  CheckShapes(type, tier, {1, 8, 17, 20, 24, 32, 172, 480, 512, 513, 520, 521, 1056});
}

TEST_P(MatMulFloatTest, RowsAroundBandsGiveTheOraclesBits) {
  CheckFloatBands(std::get<0>(GetParam()), std::get<1>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Tiers, MatMulFloatTest,
                         testing::Combine(testing::Values(WeightType::kF32, WeightType::kF16),
                                          testing::ValuesIn(TestedTiers())),
                         [](const auto& info) {
                           return std::string(backend::GeometryOf(std::get<0>(info.param)).name) +
                                  "_" + std::string(TierName(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace llmrt::cpu
