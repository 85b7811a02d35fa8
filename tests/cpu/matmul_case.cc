#include "tests/cpu/matmul_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "ops/matmul.h"
#include "ops/prepare.h"
#include "tests/cpu/counted_kernels.h"

namespace llmrt::cpu {

using backend::CpuTier;
using backend::Range;
using backend::WeightType;
using ops::Spread;

MatMulCase::MatMulCase(ops::Random& random, WeightType type, int64_t n, int64_t k, int64_t rows_max,
                       Spread spread)
    : type_(type),
      n_(n),
      k_(k),
      rows_max_(rows_max),
      row_bytes_(backend::ActivationRowBytes(backend::ClassOf(type).activation, k)) {
  weight_ = MakeBothLayouts(type, n, k, ops::RandomWeights(random, type, n, k, spread));
  const std::vector<float> in = ops::RandomFloats(random, rows_max * k, spread);
  activations_.resize(rows_max * row_bytes_);
  ops::OraclePrepare({.in = in.data(),
                      .cols = k,
                      .format = backend::ClassOf(type).activation,
                      .out = activations_.data()},
                     {0, rows_max});
  residual_ = ops::RandomFloats(random, rows_max * n, Spread::kNormal);
}

const std::vector<float>& MatMulCase::Expected(bool accumulate) {
  std::vector<float>& expected = expected_[accumulate];
  if (expected.empty()) {
    expected = residual_;
    ops::OracleMatMul({{.weight = weight_.plain.get(),
                        .activations = activations_.data(),
                        .num_rows = rows_max_,
                        .out = expected.data(),
                        .out_stride = n_,
                        .accumulate = accumulate}},
                      {0, n_});
    // Wild as the numbers are, few results may be infinite or NaN: those would hide differences.
    const auto finite = std::count_if(expected.begin(), expected.end(),
                                      [](float value) { return std::isfinite(value); });
    EXPECT_GT(finite * 20, static_cast<int64_t>(expected.size()) * 19);
  }
  return expected;
}

void MatMulCase::Check(ops::Random& random, backend::Backend& backend, int64_t rows,
                       bool accumulate) {
  CheckRows(random, backend, {0, rows}, accumulate);
}

void MatMulCase::CheckRows(ops::Random& random, backend::Backend& backend, Range rows,
                           bool accumulate) {
  const int64_t stride = n_ + static_cast<int64_t>(random() % 3);
  const float poison = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> out(rows.size() * stride, poison);
  for (int64_t m = 0; m < rows.size() && accumulate; ++m) {
    std::copy_n(residual_.data() + (rows.begin + m) * n_, n_, out.data() + m * stride);
  }
  const bool whole = random() % 2 == 0;
  for (int64_t begin = 0; begin < n_;) {
    const int64_t end = whole ? n_ : begin + 1 + static_cast<int64_t>(random() % (n_ - begin));
    ASSERT_TRUE(backend
                    .MatMul({{.weight = weight_.packed.get(),
                              .activations = activations_.data() + rows.begin * row_bytes_,
                              .num_rows = rows.size(),
                              .out = out.data(),
                              .out_stride = stride,
                              .accumulate = accumulate}},
                            {begin, end})
                    .ok());
    begin = end;
  }
  const std::vector<float>& expected = Expected(accumulate);
  for (int64_t m = 0; m < rows.size(); ++m) {
    const int64_t wrong =
        ops::FirstDifference(absl::MakeSpan(out.data() + m * stride, n_),
                             absl::MakeConstSpan(expected.data() + (rows.begin + m) * n_, n_));
    ASSERT_EQ(wrong, -1) << backend::GeometryOf(type_).name << " " << backend.DeviceClass() << " N "
                         << n_ << " K " << k_ << " M " << rows.size() << " row " << m << ": "
                         << out[m * stride + wrong] << " instead of "
                         << expected[(rows.begin + m) * n_ + wrong];
    for (int64_t n = n_; n < stride; ++n) {
      ASSERT_TRUE(ops::SameBits(&out[m * stride + n], &poison, 1)) << "written beside the result";
    }
  }
}

// One shape with more than one chunk, a short last one, and a short last panel: every number of
// rows from 1 to 130 gives, row for row, the bits of the oracle. So a row's bits do not depend on
// the rows beside it, on the threads, or on the ranges.
void CheckEveryRowCount(WeightType type, CpuTier tier) {
  ops::Random random(17);
  constexpr int64_t kRowsMax = 130;
  const int64_t k = backend::GeometryOf(type).values == 256 ? 768 : 544;
  MatMulCase test(random, type, 19, k, kRowsMax, Spread::kWide);
  // Imitated tile registers take a hundred times as long: beside the edges of tiles only.
  const bool imitated = tier == CpuTier::kAmx && !UseAmx();
  for (int64_t rows = 1; rows <= kRowsMax; ++rows) {
    if (imitated && rows > 18 && (rows + 1) % 16 > 2) continue;
    const int32_t threads = static_cast<int32_t>(1 + rows % 4);
    test.Check(random, BackendFor(tier, threads), rows, rows % 2 == 0);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// Numbers of features at which a walk is cut otherwise (product_walk.cc): a panel is a task up to
// ten panels a thread. And, on one thread, the numbers of panels that many rows are multiplied with
// at a time (16 in avx2; in avx512 and above 8 or 16 of floats, 32 of quantized weights) and those
// beside them.
void CheckTaskThresholds(WeightType type, CpuTier tier) {
  ops::Random random(31);
  const int64_t k = backend::GeometryOf(type).values == 256 ? 256 : 32;
  for (int32_t threads = 1; threads <= 4; ++threads) {
    for (const int64_t panels : {10 * threads - 1, 10 * threads, 20 * threads + 3}) {
      for (const int64_t beside : {-1, 0, 1}) {
        MatMulCase test(random, type, panels * 16 + beside, k, 3, Spread::kNormal);
        for (const int64_t rows : {1, 2, 3})
          test.Check(random, BackendFor(tier, threads), rows, false);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
  // A walk on one thread gives each of its first tasks a quarter of the panels.
  for (const int64_t panels : {4 * 33, 4 * 65}) {
    MatMulCase test(random, type, panels * 16 + 5, k, 17, Spread::kNormal);
    test.Check(random, BackendFor(tier, 1), 17, true);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// Other shapes, at the numbers of rows where kernels change tiles (2, 4, 8, 128) and beside them,
// and of features around half a panel, a panel and two.
void CheckShapes(WeightType type, CpuTier tier, const std::vector<int64_t>& ks) {
  ops::Random random(23);
  for (const int64_t k : ks) {
    for (const int64_t n : {1, 7, 8, 9, 15, 16, 17, 33}) {
      constexpr int64_t kRowsMax = 129;
      const Spread spread = n % 2 == 0 ? Spread::kNormal : Spread::kWide;
      MatMulCase test(random, type, n, k, n == 9 ? kRowsMax : 9, spread);
      for (const int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 127, 128, 129}) {
        if (rows > 9 && n != 9) continue;
        const int32_t threads = static_cast<int32_t>(1 + random() % 4);
        test.Check(random, BackendFor(tier, threads), rows, random() % 2 == 0);
        if (testing::Test::HasFatalFailure()) return;
      }
      test.CheckRows(random, BackendFor(tier, 2), {5, 8}, false);
    }
  }
}

// avx512: up to 16 rows (BF16: 32, if their values fit the scratch memory: 12 rows of 8192) stream
// the weights, more go in bands of at most 192 rows and 8 panels (BF16: 16). A walk on one thread
// gives its first task 17 of 68 panels.
void CheckFloatBands(backend::WeightType type, backend::CpuTier tier) {
  struct Shape {
    int64_t n, k;
    std::vector<int64_t> rows;
  };
  // Imitated tile registers take a hundred times as long.
  const bool imitated = tier == backend::CpuTier::kAmx && !UseAmx();
  ops::Random random(41);
  for (const Shape& shape :
       {Shape{68 * 16 - 3, 48, {15, 16, 17, 31, 32, 33, 191, 192, 193, 385}},
        Shape{17, 1056, {191, 192, 193, 200, 385}}, Shape{17, 8192, {11, 12, 13}}}) {
    const int64_t rows_max = imitated ? 33 : shape.rows.back();
    MatMulCase test(random, type, shape.n, shape.k, rows_max, ops::Spread::kNormal);
    for (const int64_t rows : shape.rows) {
      if (rows > rows_max) continue;
      test.Check(random, BackendFor(tier, 1), rows, rows % 2 == 0);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace llmrt::cpu
