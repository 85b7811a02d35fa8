// One matrix product with its inputs, run through a backend or the oracle. Used by the tests of
// both families of products.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "backend/create_backend.h"
#include "tests/cpu/both_layouts.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {

class MatMulCase {
 public:
  // Weights and prepared activations for up to `rows_max` rows.
  MatMulCase(ops::Random& random, backend::WeightType type, int64_t n, int64_t k, int64_t rows_max,
             ops::Spread spread);

  // The oracle's result for all rows, [rows_max, N], once for each kind.
  const std::vector<float>& Expected(bool accumulate);

  // Runs the product of the first `rows` rows, its features at once or cut into ranges at random
  // places, and compares every bit with the oracle; also that nothing beside the result was
  // written.
  void Check(ops::Random& random, backend::Backend& backend, int64_t rows, bool accumulate);

  // Rows [first, first + rows) instead.
  void CheckRows(ops::Random& random, backend::Backend& backend, backend::Range rows,
                 bool accumulate);

 private:
  const backend::WeightType type_;
  const int64_t n_;
  const int64_t k_;
  const int64_t rows_max_;
  const int64_t row_bytes_;  // of prepared activations
  BothLayouts weight_;
  std::vector<uint8_t> activations_;
  std::vector<float> residual_;  // [rows_max, N], added where a product accumulates
  std::vector<float> expected_[2];
};

// What every matrix product must do, for the types in `types`: see matmul_case.cc.
void CheckEveryRowCount(backend::WeightType type, backend::CpuTier tier);
void CheckTaskThresholds(backend::WeightType type, backend::CpuTier tier);
void CheckShapes(backend::WeightType type, backend::CpuTier tier, const std::vector<int64_t>& ks);
// Rows at which the avx512 tier changes the order of its work with floats.
void CheckFloatBands(backend::WeightType type, backend::CpuTier tier);

}  // namespace llmrt::cpu
