// The normalization kernel against ops::OracleRmsNorm, by equality of bits.
#include "ops/rms_norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "tests/cuda/kernels/kernel_case.h"
#include "tests/ops/random_data.h"

namespace llmrt::cuda {
namespace {

struct Case {
  std::vector<float> in;  // [in_rows, dim]
  std::vector<float> weight;
  std::vector<int32_t> rows;  // empty: output row i reads input row i
  int32_t first = 0;
  int32_t count = 0;
  int32_t out_rows = 0;
  float epsilon = 1e-5f;
};

void Check(const Case& c, const std::string& name) {
  const auto dim = static_cast<int64_t>(c.weight.size());
  std::vector<float> expected = Poisoned<float>(c.out_rows * dim);
  ops::OracleRmsNorm({.in = c.in.data(),
                      .weight = c.weight.data(),
                      .rows = c.rows,
                      .dim = dim,
                      .epsilon = c.epsilon,
                      .out = expected.data()},
                     {c.first, c.first + c.count});
  ForSeeds([&](uint64_t seed) {
    DeviceArray<float> in(c.in), weight(c.weight);
    DeviceArray<int32_t> rows(c.rows);
    DeviceArray<float> out(Poisoned<float>(expected.size()));
    const RmsNormArgs args = {.in = in.get(),
                              .weight = weight.get(),
                              .rows = c.rows.empty() ? nullptr : rows.get(),
                              .first = c.first,
                              .count = c.count,
                              .dim = dim,
                              .epsilon = c.epsilon,
                              .out = out.get()};
    Launch(KernelId::kRmsNormKernel, RmsNormShape(args), args);
    EXPECT_EQ(FirstDifference(out.Download(), expected), -1) << name;
    Record(seed, name, out.Download());
  });
}

Case MakeCase(ops::Random& random, int64_t dim, int32_t rows, ops::Spread spread) {
  return {.in = ops::RandomFloats(random, rows * dim, spread),
          .weight = ops::RandomFloats(random, dim, ops::Spread::kNormal),
          .rows = {},
          .first = 0,
          .count = rows,
          .out_rows = rows};
}

TEST(RmsNormKernelTest, EqualsTheOracle) {
  ops::Random random(1);
  for (const int64_t dim : kAwkwardDims) {
    for (const int32_t rows : {1, 2, 33}) {
      if (rows == 33 && dim > 64) continue;
      for (const auto spread : {ops::Spread::kNormal, ops::Spread::kWide}) {
        Check(MakeCase(random, dim, rows, spread),
              CaseName("rms_norm", {dim, rows, static_cast<int>(spread)}));
      }
    }
  }
}

// More chunks than half-warps, with and without a part at the end.
TEST(RmsNormKernelTest, LongRowsEqualTheOracle) {
  ops::Random random(2);
  for (const int64_t dim : {4096, 8191, 8192, 8704, 9217, 65536}) {
    Check(MakeCase(random, dim, 1, ops::Spread::kNormal), CaseName("rms_norm_long", {dim}));
  }
}

// Sums whose bits depend on the order of the chunks: they fall from 2^40 to 1.
TEST(RmsNormKernelTest, ChunksAreAddedAscending) {
  ops::Random random(3);
  Case c = MakeCase(random, 20 * 512, 1, ops::Spread::kNormal);
  for (size_t i = 0; i < c.in.size(); ++i) {
    c.in[i] *= static_cast<float>(1 << (20 - static_cast<int>(i / 512)));
  }
  Check(c, "rms_norm_falling");
  std::reverse(c.in.begin(), c.in.end());
  Check(c, "rms_norm_rising");
}

TEST(RmsNormKernelTest, OnlyTheRangeIsWritten) {
  ops::Random random(4);
  for (const int64_t dim : {17, 64}) {
    Case c = MakeCase(random, dim, 9, ops::Spread::kNormal);
    c.first = 3;
    c.count = 4;
    Check(c, CaseName("rms_norm_range", {dim}));
    c.count = 0;
    Check(c, CaseName("rms_norm_empty", {dim}));
  }
}

TEST(RmsNormKernelTest, RowsAreGatheredByTheTable) {
  ops::Random random(5);
  for (const int64_t dim : {5, 172, 513}) {
    Case c = MakeCase(random, dim, 8, ops::Spread::kNormal);
    c.rows = {7, 0, 3, 3, 5};
    c.out_rows = 5;
    c.first = 1;
    c.count = 4;
    Check(c, CaseName("rms_norm_gather", {dim}));
  }
}

// A NaN or an infinity in a row spoils that row alone; zeros with epsilon 0 give NaN, with another
// zeros; epsilon as large as the mean counts.
TEST(RmsNormKernelTest, SpecialValuesEqualTheOracle) {
  ops::Random random(6);
  for (const int64_t dim : {16, 600}) {
    Case c = MakeCase(random, dim, 4, ops::Spread::kNormal);
    c.in[dim - 1] = NAN;
    c.in[dim] = INFINITY;
    std::fill(c.in.begin() + 2 * dim, c.in.begin() + 3 * dim, -0.0f);
    for (const float epsilon : {0.0f, 1e-6f, 3.0f, 1e-39f}) {
      c.epsilon = epsilon;
      Check(c, CaseName("rms_norm_special", {dim, numerics::FloatBits(epsilon)}));
    }
  }
}

}  // namespace
}  // namespace llmrt::cuda
