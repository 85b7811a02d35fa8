// Norm, preparation, rotation, cache stores and the gated activation: every tier against the
// oracle, bit for bit.
#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "numerics/rope_table.h"
#include "ops/embed.h"
#include "ops/host_storage.h"
#include "ops/prepare.h"
#include "ops/rms_norm.h"
#include "ops/rope_store.h"
#include "ops/swiglu.h"
#include "tests/cpu/both_layouts.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/cpu_cache.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::ActivationFormat;
using backend::CpuTier;
using backend::KvType;
using backend::Range;
using ops::Random;
using ops::Spread;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Calls `run(backend, range)` with [0, count) cut at random places, by backends of 1 to 4 threads.
template <typename Run>
void InPieces(Random& random, CpuTier tier, int64_t count, Run run) {
  for (int64_t begin = 0; begin < count;) {
    const int64_t end = begin + 1 + static_cast<int64_t>(random() % (count - begin));
    const int32_t threads = static_cast<int32_t>(1 + random() % 4);
    ASSERT_TRUE(run(BackendFor(tier, threads), Range{begin, end}).ok());
    begin = end;
  }
}

class ElementwiseTest : public testing::TestWithParam<CpuTier> {
 protected:
  Random random_{5};
};

TEST_P(ElementwiseTest, RmsNormGivesTheOraclesBitsForEveryLength) {
  for (const int64_t dim : {1, 7, 8, 15, 16, 17, 64, 100, 511, 512, 513, 576, 2048, 2051}) {
    constexpr int64_t kRows = 9;
    const auto in = ops::RandomFloats(random_, kRows * dim, Spread::kWide);
    const auto weight = ops::RandomFloats(random_, dim, Spread::kNormal);
    const std::vector<int32_t> rows = {3, 0, 8, 8, 1};
    for (const bool gather : {false, true}) {
      const int64_t count = gather ? static_cast<int64_t>(rows.size()) : kRows;
      std::vector<float> expected(count * dim), out(count * dim, kNan);
      backend::RmsNormParams params = {.in = in.data(),
                                       .weight = weight.data(),
                                       .dim = dim,
                                       .epsilon = 1e-5f,
                                       .out = expected.data()};
      if (gather) params.rows = rows;
      ops::OracleRmsNorm(params, {0, count});
      params.out = out.data();
      InPieces(random_, GetParam(), count, [&](backend::Backend& backend, Range range) {
        return backend.RmsNorm(params, range);
      });
      ASSERT_EQ(ops::FirstDifference(out, expected), -1) << "dim " << dim << " gather " << gather;
    }
  }
}

// One op that writes prepared rows in every format at once; `run(prepared)` runs it.
class PreparedOutputs {
 public:
  PreparedOutputs(int64_t rows, int64_t cols) {
    for (int i = 0; i < kActivationFormatCount; ++i) {
      const auto format = static_cast<ActivationFormat>(i);
      bytes_[i].assign(rows * backend::ActivationRowBytes(format, cols), 0xff);
      outputs_[i] = {format, bytes_[i].data()};
    }
  }
  PreparedOutputs(const PreparedOutputs&) = delete;
  absl::Span<const backend::PreparedRows> outputs() const { return outputs_; }
  const std::vector<uint8_t>& bytes(int format) const { return bytes_[format]; }

 private:
  std::vector<uint8_t> bytes_[kActivationFormatCount];
  backend::PreparedRows outputs_[kActivationFormatCount];
};

void ExpectEqualBytes(const PreparedOutputs& out, const PreparedOutputs& expected, int64_t dim) {
  for (int format = 0; format < kActivationFormatCount; ++format) {
    ASSERT_EQ(out.bytes(format), expected.bytes(format)) << "dim " << dim << " format " << format;
  }
}

TEST_P(ElementwiseTest, RmsNormPreparesItsRowsInEveryFormat) {
  for (const int64_t dim : {1, 20, 31, 33, 64, 100, 172, 513, 2048, 2051}) {
    constexpr int64_t kRows = 9;
    const auto in = ops::RandomFloats(random_, kRows * dim, Spread::kWide);
    const auto weight = ops::RandomFloats(random_, dim, Spread::kNormal);
    const std::vector<int32_t> rows = {3, 0, 8, 8, 1};
    for (const bool gather : {false, true}) {
      const int64_t count = gather ? static_cast<int64_t>(rows.size()) : kRows;
      std::vector<float> scratch(count * dim);
      PreparedOutputs expected(count, dim), out(count, dim);
      backend::RmsNormParams params = {.in = in.data(),
                                       .weight = weight.data(),
                                       .dim = dim,
                                       .epsilon = 1e-5f,
                                       .out = scratch.data(),
                                       .prepared = expected.outputs()};
      if (gather) params.rows = rows;
      ops::OracleRmsNorm(params, {0, count});
      params.prepared = out.outputs();
      InPieces(random_, GetParam(), count, [&](backend::Backend& backend, Range range) {
        return backend.RmsNorm(params, range);
      });
      ExpectEqualBytes(out, expected, dim);
    }
  }
}

TEST_P(ElementwiseTest, PrepareGivesTheOraclesBytesForEveryFormat) {
  for (const int64_t cols : {1, 20, 31, 32, 33, 64, 172, 480, 512, 513, 2048}) {
    constexpr int64_t kRows = 11;
    auto in = ops::RandomFloats(random_, kRows * cols, Spread::kWide);
    // Values that no model should make still give one answer in every tier.
    in[random_() % in.size()] = kInfinity;
    in[random_() % in.size()] = kNan;
    in[random_() % in.size()] = std::numeric_limits<float>::max();
    for (const auto format :
         {ActivationFormat::kF32, ActivationFormat::kBF16, ActivationFormat::kInt8}) {
      const int64_t bytes = kRows * backend::ActivationRowBytes(format, cols);
      std::vector<uint8_t> expected(bytes), out(bytes, 0xff);
      backend::PrepareParams params = {
          .in = in.data(), .cols = cols, .format = format, .out = expected.data()};
      ops::OraclePrepare(params, {0, kRows});
      params.out = out.data();
      InPieces(random_, GetParam(), kRows, [&](backend::Backend& backend, Range range) {
        return backend.Prepare(params, range);
      });
      ASSERT_EQ(out, expected) << "cols " << cols << " format " << static_cast<int>(format);
    }
  }
}

// Ties of the rounding to int8 and to bfloat16 are rare in random data: make them.
TEST_P(ElementwiseTest, PrepareRoundsTiesToEven) {
  std::vector<float> in(64);
  for (int i = 0; i < 32; ++i)
    in[i] = static_cast<float>(i - 16) + 0.5f;  // scale 1: halves are ties
  in[0] = 127.0f;
  for (int i = 32; i < 64; ++i) {
    const uint32_t bits = 0x3f808000u + static_cast<uint32_t>(i) * 0x10000u;  // halfway
    std::memcpy(&in[i], &bits, sizeof(bits));
  }
  for (const auto format : {ActivationFormat::kBF16, ActivationFormat::kInt8}) {
    std::vector<uint8_t> expected(backend::ActivationRowBytes(format, 64)), out(expected.size());
    backend::PrepareParams params = {
        .in = in.data(), .cols = 64, .format = format, .out = expected.data()};
    ops::OraclePrepare(params, {0, 1});
    params.out = out.data();
    ASSERT_TRUE(BackendFor(GetParam(), 1).Prepare(params, {0, 1}).ok());
    ASSERT_EQ(out, expected);
  }
}

TEST_P(ElementwiseTest, SwiGluGivesTheOraclesBits) {
  for (const int64_t dim : {1, 7, 8, 9, 64, 1000, 8192}) {
    constexpr int64_t kRows = 5;
    auto gate = ops::RandomFloats(random_, kRows * dim, Spread::kWide);
    // Across the whole range of the exponential, its clamps included.
    for (size_t i = 0; i < gate.size(); i += 3)
      gate[i] = -100.0f + static_cast<float>(random_() % 2000) / 10;
    const auto up = ops::RandomFloats(random_, kRows * dim, Spread::kWide);
    std::vector<float> expected(gate.size()), out = gate;
    ops::OracleSwiGlu({.gate = gate.data(), .up = up.data(), .dim = dim, .out = expected.data()},
                      {0, kRows});
    // In place, as the interface allows.
    InPieces(random_, GetParam(), kRows, [&](backend::Backend& backend, Range range) {
      return backend.SwiGlu({.gate = out.data(), .up = up.data(), .dim = dim, .out = out.data()},
                            range);
    });
    ASSERT_EQ(ops::FirstDifference(out, expected), -1) << "dim " << dim;
  }
}

// Rows of less than a part, of one, of several, and with short last ones.
TEST_P(ElementwiseTest, SwiGluPreparesItsRowsInEveryFormat) {
  for (const int64_t dim : {1, 20, 33, 64, 172, 1000, 2047, 2048, 2049, 4096, 6150, 8192}) {
    constexpr int64_t kRows = 5;
    auto gate = ops::RandomFloats(random_, kRows * dim, Spread::kNormal);
    const auto up = ops::RandomFloats(random_, kRows * dim, Spread::kWide);
    std::vector<float> scratch(gate.size());
    PreparedOutputs expected(kRows, dim), out(kRows, dim);
    ops::OracleSwiGlu({.gate = gate.data(),
                       .up = up.data(),
                       .dim = dim,
                       .out = scratch.data(),
                       .prepared = expected.outputs()},
                      {0, kRows});
    InPieces(random_, GetParam(), kRows, [&](backend::Backend& backend, Range range) {
      return backend.SwiGlu({.gate = gate.data(),
                             .up = up.data(),
                             .dim = dim,
                             .out = gate.data(),
                             .prepared = out.outputs()},
                            range);
    });
    ExpectEqualBytes(out, expected, dim);
  }
}

TEST_P(ElementwiseTest, NoOpPreparesWhatNoKernelReads) {
  std::vector<float> in(64), out(64);
  std::vector<uint8_t> rows(256);
  const backend::PreparedRows prepared = {ActivationFormat::kF16, rows.data()};
  backend::Backend& backend = BackendFor(GetParam(), 1);
  EXPECT_FALSE(backend
                   .RmsNorm({.in = in.data(),
                             .weight = in.data(),
                             .dim = 64,
                             .out = out.data(),
                             .prepared = {&prepared, 1}},
                            {0, 1})
                   .ok());
  EXPECT_FALSE(backend
                   .SwiGlu({.gate = in.data(),
                            .up = in.data(),
                            .dim = 64,
                            .out = out.data(),
                            .prepared = {&prepared, 1}},
                           {0, 1})
                   .ok());
  EXPECT_FALSE(
      backend
          .Prepare(
              {.in = in.data(), .cols = 64, .format = ActivationFormat::kF16, .out = rows.data()},
              {0, 1})
          .ok());
}

TEST_P(ElementwiseTest, EmbedGivesTheDequantizedRowOfEveryType) {
  for (const backend::WeightType type : ops::kAllWeightTypes) {
    constexpr int64_t kVocabulary = 37, kDim = 256;
    const BothLayouts table =
        MakeBothLayouts(type, kVocabulary, kDim,
                        ops::RandomWeights(random_, type, kVocabulary, kDim, Spread::kWide));
    ops::OwnedBatch batch;
    batch.tables.emplace_back();
    for (int row = 0; row < 70; ++row) {
      batch.Add(0, row);
      batch.tokens.back() = static_cast<int32_t>(random_() % kVocabulary);
    }
    const backend::Batch view = batch.View();
    std::vector<float> expected(70 * kDim), out(70 * kDim, kNan);
    ops::OracleEmbed({.batch = &view, .table = table.plain.get(), .out = expected.data()}, {0, 70});
    InPieces(random_, GetParam(), 70, [&](backend::Backend& backend, Range range) {
      return backend.Embed({.batch = &view, .table = table.For(&backend), .out = out.data()},
                           range);
    });
    ASSERT_EQ(ops::FirstDifference(out, expected), -1) << backend::GeometryOf(type).name;
  }
}

struct RopeCase {
  backend::KvShape shape;
  int32_t num_q_heads;
  int32_t rope_dims;
};

// q, k and the cache after RopeStore.
struct RopeResult {
  std::vector<float> q, k;
  std::vector<uint8_t> cache;
};

class RopeInputs {
 public:
  RopeInputs(Random& random, const RopeCase& c) : case_(c) {
    const int32_t positions = 90;
    table_.resize(int64_t{positions} * c.rope_dims);
    for (float& angle : table_) angle = ops::RandomFloat(random, Spread::kNormal);
    paged_ = ops::MakePagedCache(random, TestMemory(), c.shape, {positions, 40, 40});
    batch_.tables = paged_.table_spans;
    for (int32_t position = 30; position < 90; ++position) batch_.Add(0, position);
    for (int32_t position = 0; position < 40; ++position) batch_.Add(2, position);
    for (int32_t position = 9; position < 40; ++position) batch_.Add(1, position);
    rows_ = static_cast<int64_t>(batch_.tokens.size());
    q_ = ops::RandomFloats(random, rows_ * c.num_q_heads * c.shape.head_dim, Spread::kWide);
    k_ = ops::RandomFloats(random, rows_ * c.shape.num_kv_heads * c.shape.head_dim, Spread::kWide);
    v_ = ops::RandomFloats(random, rows_ * c.shape.num_kv_heads * c.shape.head_dim, Spread::kWide);
    v_[0] = 1e6f;   // infinite as a half
    v_[1] = 1e-7f;  // a denormal half
    cpu_cache_ = CpuCopyOf(*paged_.cache);
    initial_ = PlainBytes(static_cast<ops::HostKvCache&>(*paged_.cache));
  }

  int64_t rows() const { return rows_; }

  // `run(params)` applies the oracle to every row, in pieces of its choice.
  template <typename Run>
  RopeResult ApplyOracle(Run run) {
    auto& cache = static_cast<ops::HostKvCache&>(*paged_.cache);
    std::memcpy(cache.data(), initial_.data(), initial_.size());
    return ApplyTo(cache, run);
  }
  // The same for a backend.
  template <typename Run>
  RopeResult Apply(Run run) {
    auto& cache = static_cast<CpuKvCache&>(*cpu_cache_);
    SetPlainBytes(cache, initial_);
    return ApplyTo(cache, run);
  }

 private:
  template <typename Cache, typename Run>
  RopeResult ApplyTo(Cache& cache, Run run) {
    RopeResult result = {q_, k_, {}};
    const backend::Batch view = batch_.View();
    run(backend::RopeStoreParams{.batch = &view,
                                 .rope_table = table_.data(),
                                 .rope_dims = case_.rope_dims,
                                 .q = result.q.data(),
                                 .num_q_heads = case_.num_q_heads,
                                 .k = result.k.data(),
                                 .v = v_.data(),
                                 .cache = &cache,
                                 .layer = 1});
    result.cache = PlainBytes(cache);
    return result;
  }

  const RopeCase case_;
  std::vector<float> table_, q_, k_, v_;
  ops::PagedCache paged_;
  std::unique_ptr<backend::KvCache> cpu_cache_;
  ops::OwnedBatch batch_;
  int64_t rows_ = 0;
  std::vector<uint8_t> initial_;
};

const RopeCase kRopeCases[] = {
    {{.num_layers = 2, .num_kv_heads = 2, .head_dim = 64, .type = KvType::kF16}, 6, 64},
    {{.num_layers = 2, .num_kv_heads = 1, .head_dim = 20, .type = KvType::kF16}, 3, 20},
    {{.num_layers = 2, .num_kv_heads = 3, .head_dim = 80, .block_size = 32, .type = KvType::kF32},
     3,
     40},
    {{.num_layers = 2, .num_kv_heads = 1, .head_dim = 20, .type = KvType::kBF16}, 8, 6},
    {{.num_layers = 2, .num_kv_heads = 2, .head_dim = 32, .type = KvType::kBF16}, 2, 0},
};

TEST_P(ElementwiseTest, RopeStoreGivesTheOraclesBitsHoweverItIsCut) {
  for (const RopeCase& c : kRopeCases) {
    RopeInputs inputs(random_, c);
    const RopeResult expected = inputs.ApplyOracle([&](const backend::RopeStoreParams& params) {
      ops::OracleRopeStore(params, {0, inputs.rows()});
    });
    for (int repeat = 0; repeat < 4; ++repeat) {
      const RopeResult out = inputs.Apply([&](const backend::RopeStoreParams& params) {
        InPieces(random_, GetParam(), inputs.rows(), [&](backend::Backend& backend, Range range) {
          return backend.RopeStore(params, range);
        });
      });
      ASSERT_EQ(ops::FirstDifference(out.q, expected.q), -1);
      ASSERT_EQ(ops::FirstDifference(out.k, expected.k), -1);
      ASSERT_EQ(out.cache, expected.cache) << "head_dim " << c.shape.head_dim;
    }
  }
}

// 1 to 131 rows; where one task becomes two, two three and three four, on every number of threads.
// The oracle takes the rows one by one.
TEST_P(ElementwiseTest, RopeStoreGivesTheOraclesBitsForEveryRowCount) {
  constexpr int64_t kTaskValues = 8192;  // as in cpu_backend.cc
  for (const RopeCase& c : kRopeCases) {
    RopeInputs inputs(random_, c);
    const int64_t values = (c.num_q_heads + 2 * c.shape.num_kv_heads) * c.shape.head_dim;
    const int64_t each = kTaskValues / values;
    for (int64_t rows = 1; rows <= inputs.rows(); ++rows) {
      const RopeResult expected = inputs.ApplyOracle([&](const backend::RopeStoreParams& params) {
        for (int64_t i = 0; i < rows; ++i) ops::OracleRopeStore(params, {i, i + 1});
      });
      const bool threshold = (rows + 1) % each <= 2 && rows <= 3 * each + 1;
      for (int32_t i = 0; i < (threshold ? 4 : 1); ++i) {
        const int32_t threads = static_cast<int32_t>(1 + (rows + i) % 4);
        const RopeResult out = inputs.Apply([&](const backend::RopeStoreParams& params) {
          ASSERT_TRUE(BackendFor(GetParam(), threads).RopeStore(params, {0, rows}).ok());
        });
        ASSERT_EQ(ops::FirstDifference(out.q, expected.q), -1) << rows << " rows";
        ASSERT_EQ(ops::FirstDifference(out.k, expected.k), -1) << rows << " rows";
        ASSERT_EQ(out.cache, expected.cache) << rows << " rows, head_dim " << c.shape.head_dim;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, ElementwiseTest, testing::ValuesIn(TestedTiers()),
                         [](const auto& info) { return std::string(TierName(info.param)); });

}  // namespace
}  // namespace llmrt::cpu
