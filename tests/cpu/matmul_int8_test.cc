// Products with quantized weights: every tier against the oracle, bit for bit.
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

class MatMulInt8Test : public testing::TestWithParam<std::tuple<WeightType, CpuTier>> {};

TEST_P(MatMulInt8Test, EveryRowCountGivesTheOraclesBits) {
  CheckEveryRowCount(std::get<0>(GetParam()), std::get<1>(GetParam()));
}

TEST_P(MatMulInt8Test, EveryCutIntoTasksGivesTheOraclesBits) {
  CheckTaskThresholds(std::get<0>(GetParam()), std::get<1>(GetParam()));
}

TEST_P(MatMulInt8Test, ShapesAroundChunksAndPanelsGiveTheOraclesBits) {
  const auto [type, tier] = GetParam();
  if (backend::GeometryOf(type).values == 256) {
    CheckShapes(type, tier, {256, 512, 1280});
  } else {
    CheckShapes(type, tier, {32, 64, 480, 512, 1056});
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, MatMulInt8Test,
                         testing::Combine(testing::Values(WeightType::kQ8_0, WeightType::kQ4_0,
                                                          WeightType::kQ4_1, WeightType::kQ5_0,
                                                          WeightType::kQ5_1, WeightType::kQ4_K,
                                                          WeightType::kQ5_K, WeightType::kQ6_K),
                                          testing::ValuesIn(TestedTiers())),
                         [](const auto& info) {
                           return std::string(backend::GeometryOf(std::get<0>(info.param)).name) +
                                  "_" + std::string(TierName(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace llmrt::cpu
