// Products with F32, F16 and BF16 weights: every tier against the oracle, bit for bit.
#include <string>
#include <tuple>
#include <vector>

#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/matmul_case.h"
#include "tests/ops/random_data.h"

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

// avx512: up to 16 rows (BF16: 32, if their values fit the scratch memory: 12 rows of 8192) stream
// the weights, more go in bands of at most 192 rows and 8 panels (BF16: 16). A walk on one thread
// gives its first task 17 of 68 panels.
TEST_P(MatMulFloatTest, RowsAroundBandsGiveTheOraclesBits) {
  const auto [type, tier] = GetParam();
  struct Shape {
    int64_t n, k;
    std::vector<int64_t> rows;
  };
  // Imitated tile registers take a hundred times as long.
  const bool imitated = tier == CpuTier::kAmx && !UseAmx();
  ops::Random random(41);
  for (const Shape& shape :
       {Shape{68 * 16 - 3, 48, {15, 16, 17, 31, 32, 33, 191, 192, 193, 385}},
        Shape{17, 1056, {191, 192, 193, 200, 385}}, Shape{17, 8192, {11, 12, 13}}}) {
    const int64_t rows_max = imitated ? 33 : shape.rows.back();
    MatMulCase test(random, type, shape.n, shape.k, rows_max, ops::Spread::kNormal);
    for (const int64_t rows : shape.rows) {
      if (rows > rows_max) continue;
      test.Check(random, BackendFor(tier, 1), rows, rows % 2 == 0);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, MatMulFloatTest,
                         testing::Combine(testing::Values(WeightType::kF32, WeightType::kF16,
                                                          WeightType::kBF16),
                                          testing::ValuesIn(TestedTiers())),
                         [](const auto& info) {
                           return std::string(backend::GeometryOf(std::get<0>(info.param)).name) +
                                  "_" + std::string(TierName(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace llmrt::cpu
