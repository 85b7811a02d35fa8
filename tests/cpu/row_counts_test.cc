// Ops whose units are rows, over 1 to 130 rows and around the numbers of rows at which the backend
// cuts one task more: a row has the bits that the oracle gives it alone, whatever lies beside it,
// on 1 to 4 threads, and nothing else is written. (Attention and the products have such tests in
// their own files.)
#include <cstring>
#include <functional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "ops/embed.h"
#include "ops/host_storage.h"
#include "ops/prepare.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"
#include "tests/cpu/both_layouts.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::ActivationFormat;
using backend::Backend;
using backend::CpuTier;
using backend::Range;
using ops::Spread;

// The backend's numbers (cpu_backend.cc): values that one task handles.
constexpr int64_t kTaskValues = 8192;
constexpr int64_t kSwiGluTaskValues = 2048;

constexpr int64_t kRowsSwept = 130;

// An op whose row i writes row_bytes bytes at out + i * row_bytes. `run` with a null backend is the
// oracle.
struct RowOp {
  int64_t row_bytes;
  std::function<absl::Status(Backend*, Range, uint8_t* out)> run;
};

class RowCounts {
 public:
  RowCounts(const RowOp& op, CpuTier tier, int64_t rows_max) : op_(op), tier_(tier) {
    expected_.resize(rows_max * op.row_bytes);
    for (int64_t i = 0; i < rows_max; ++i) {
      EXPECT_TRUE(op.run(nullptr, {i, i + 1}, expected_.data()).ok());
    }
  }

  // Rows `range` at once, the others untouched.
  void Check(Range range, int32_t threads) {
    std::vector<uint8_t> out(expected_.size(), kUntouched);
    ASSERT_TRUE(op_.run(&BackendFor(tier_, threads), range, out.data()).ok());
    const int64_t begin = range.begin * op_.row_bytes, end = range.end * op_.row_bytes;
    std::vector<uint8_t> expected(expected_.size(), kUntouched);
    std::copy(expected_.begin() + begin, expected_.begin() + end, expected.begin() + begin);
    ASSERT_TRUE(out == expected) << "rows " << range.begin << " to " << range.end << ", " << threads
                                 << " threads";
  }

  // 1 to 130 rows, and each row alone.
  void CheckSweep() {
    for (int64_t rows = 1; rows <= kRowsSwept; ++rows) {
      Check({0, rows}, static_cast<int32_t>(1 + rows % 4));
      Check({rows - 1, rows}, static_cast<int32_t>(1 + rows / 4 % 4));
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  // These numbers of rows, each on 1 to 4 threads.
  void CheckCounts(const std::vector<int64_t>& counts) {
    for (const int64_t rows : counts) {
      for (int32_t threads = 1; threads <= 4; ++threads) Check({0, rows}, threads);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  static constexpr uint8_t kUntouched = 0xee;
  const RowOp& op_;
  const CpuTier tier_;
  std::vector<uint8_t> expected_;
};

// Numbers of rows at which one task becomes two, two three, and three four, and those beside them;
// a task holds `task_values` values, or one row where a row has more.
std::vector<int64_t> Thresholds(int64_t task_values, int64_t row_values) {
  const int64_t each = std::max<int64_t>(1, task_values / row_values);
  std::set<int64_t> counts;
  for (const int64_t tasks : {1, 2, 3}) {
    for (const int64_t beside : {-1, 0, 1})
      counts.insert(std::max<int64_t>(1, tasks * each + beside));
  }
  return {counts.begin(), counts.end()};
}

// `make(row_values, rows_max)` is the op with its inputs.
template <typename Make>
void CheckOp(CpuTier tier, int64_t task_values, const std::vector<int64_t>& row_values, Make make) {
  for (const int64_t values : row_values) {
    SCOPED_TRACE(absl::StrCat(values, " values a row"));
    const std::vector<int64_t> thresholds = Thresholds(task_values, values);
    const bool sweep = values <= 256;
    const int64_t rows_max = std::max(thresholds.back(), sweep ? kRowsSwept : 1);
    const RowOp op = make(values, rows_max);
    RowCounts counts(op, tier, rows_max);
    counts.CheckCounts(thresholds);
    if (sweep) counts.CheckSweep();
    if (testing::Test::HasFatalFailure()) return;
  }
}

template <typename Params>
absl::Status RunOp(const Params& params, Range range, Backend* backend,
                   absl::Status (Backend::*op)(const Params&, Range),
                   void (*oracle)(const Params&, Range)) {
  if (backend != nullptr) return (backend->*op)(params, range);
  oracle(params, range);
  return absl::OkStatus();
}

float* Floats(uint8_t* bytes) { return reinterpret_cast<float*>(bytes); }

// Rows of which a task holds hundreds, 128, 85, eight, two, and one; a row of one task and more.
const std::vector<int64_t> kRowValues = {20, 64, 96, 1000, 4096, 4097, 8191, 8192, 8193};

class RowCountsTest : public testing::TestWithParam<CpuTier> {
 protected:
  ops::Random random_{29};
};

TEST_P(RowCountsTest, RmsNorm) {
  CheckOp(GetParam(), kTaskValues, kRowValues, [&](int64_t dim, int64_t rows) -> RowOp {
    const auto in = ops::RandomFloats(random_, rows * dim, Spread::kWide);
    const auto weight = ops::RandomFloats(random_, dim, Spread::kNormal);
    return {dim * 4, [=](Backend* backend, Range range, uint8_t* out) {
              return RunOp<backend::RmsNormParams>({.in = in.data(),
                                                    .weight = weight.data(),
                                                    .dim = dim,
                                                    .epsilon = 1e-5f,
                                                    .out = Floats(out)},
                                                   range, backend, &Backend::RmsNorm,
                                                   ops::OracleRmsNorm);
            }};
  });
}

TEST_P(RowCountsTest, RmsNormPrepared) {
  CheckOp(GetParam(), kTaskValues, kRowValues, [&](int64_t dim, int64_t rows) -> RowOp {
    const auto in = ops::RandomFloats(random_, rows * dim, Spread::kWide);
    const auto weight = ops::RandomFloats(random_, dim, Spread::kNormal);
    auto scratch = std::make_shared<std::vector<float>>(rows * dim);
    return {backend::ActivationRowBytes(ActivationFormat::kInt8, dim),
            [=](Backend* backend, Range range, uint8_t* out) {
              const backend::PreparedRows prepared = {ActivationFormat::kInt8, out};
              return RunOp<backend::RmsNormParams>({.in = in.data(),
                                                    .weight = weight.data(),
                                                    .dim = dim,
                                                    .epsilon = 1e-5f,
                                                    .out = scratch->data(),
                                                    .prepared = {&prepared, 1}},
                                                   range, backend, &Backend::RmsNorm,
                                                   ops::OracleRmsNorm);
            }};
  });
}

TEST_P(RowCountsTest, PrepareInEveryFormat) {
  for (const auto format :
       {ActivationFormat::kF32, ActivationFormat::kBF16, ActivationFormat::kInt8}) {
    CheckOp(GetParam(), kTaskValues, kRowValues, [&](int64_t cols, int64_t rows) -> RowOp {
      const auto in = ops::RandomFloats(random_, rows * cols, Spread::kWide);
      return {backend::ActivationRowBytes(format, cols),
              [=](Backend* backend, Range range, uint8_t* out) {
                return RunOp<backend::PrepareParams>(
                    {.in = in.data(), .cols = cols, .format = format, .out = out}, range, backend,
                    &Backend::Prepare, ops::OraclePrepare);
              }};
    });
  }
}

// Rows of which a part holds many; a row of one part and more, so that tasks begin inside rows.
const std::vector<int64_t> kSwiGluRowValues = {1, 15, 64, 96, 1000, 2047, 2048, 2049, 6200};

TEST_P(RowCountsTest, SwiGlu) {
  CheckOp(GetParam(), kSwiGluTaskValues, kSwiGluRowValues, [&](int64_t dim, int64_t rows) -> RowOp {
    const auto gate = ops::RandomFloats(random_, rows * dim, Spread::kWide);
    const auto up = ops::RandomFloats(random_, rows * dim, Spread::kWide);
    return {dim * 4, [=](Backend* backend, Range range, uint8_t* out) {
              return RunOp<backend::SwiGluParams>(
                  {.gate = gate.data(), .up = up.data(), .dim = dim, .out = Floats(out)}, range,
                  backend, &Backend::SwiGlu, ops::OracleSwiGlu);
            }};
  });
}

TEST_P(RowCountsTest, SwiGluPreparedInEveryFormat) {
  for (const auto format :
       {ActivationFormat::kF32, ActivationFormat::kBF16, ActivationFormat::kInt8}) {
    CheckOp(GetParam(), kSwiGluTaskValues, kSwiGluRowValues,
            [&](int64_t dim, int64_t rows) -> RowOp {
              const auto gate = ops::RandomFloats(random_, rows * dim, Spread::kNormal);
              const auto up = ops::RandomFloats(random_, rows * dim, Spread::kWide);
              auto scratch = std::make_shared<std::vector<float>>(rows * dim);
              return {backend::ActivationRowBytes(format, dim),
                      [=](Backend* backend, Range range, uint8_t* out) {
                        const backend::PreparedRows prepared = {format, out};
                        return RunOp<backend::SwiGluParams>({.gate = gate.data(),
                                                             .up = up.data(),
                                                             .dim = dim,
                                                             .out = scratch->data(),
                                                             .prepared = {&prepared, 1}},
                                                            range, backend, &Backend::SwiGlu,
                                                            ops::OracleSwiGlu);
                      }};
            });
  }
}

// The op over a table of `type`, whose tokens are drawn anew for each number of rows.
RowOp MakeEmbed(ops::Random& random, backend::WeightType type, int64_t dim, int64_t rows) {
  constexpr int64_t kVocabulary = 37;
  const BothLayouts table = MakeBothLayouts(
      type, kVocabulary, dim, ops::RandomWeights(random, type, kVocabulary, dim, Spread::kWide));
  auto batch = std::make_shared<ops::OwnedBatch>();
  batch->tables.emplace_back();
  for (int64_t row = 0; row < rows; ++row) {
    batch->Add(0, static_cast<int32_t>(row));
    batch->tokens.back() = static_cast<int32_t>(random() % kVocabulary);
  }
  return {dim * 4, [=](Backend* backend, Range range, uint8_t* out) {
            const backend::Batch view = batch->View();
            return RunOp<backend::EmbedParams>(
                {.batch = &view, .table = table.For(backend), .out = Floats(out)}, range, backend,
                &Backend::Embed, ops::OracleEmbed);
          }};
}

TEST_P(RowCountsTest, EmbedOfEveryType) {
  for (const backend::WeightType type : ops::kAllWeightTypes) {
    SCOPED_TRACE(backend::GeometryOf(type).name);
    CheckOp(GetParam(), kTaskValues, {256},
            [&](int64_t dim, int64_t rows) { return MakeEmbed(random_, type, dim, rows); });
  }
  CheckOp(GetParam(), kTaskValues, kRowValues, [&](int64_t dim, int64_t rows) {
    return MakeEmbed(random_, backend::WeightType::kF16, dim, rows);
  });
}

INSTANTIATE_TEST_SUITE_P(Tiers, RowCountsTest, testing::ValuesIn(TestedTiers()),
                         [](const auto& info) { return std::string(TierName(info.param)); });

}  // namespace
}  // namespace llmrt::cpu
