// Attention over the paged cache: every tier against the oracle, bit for bit. The caches of these
// tests are poisoned with NaN wherever nothing was stored, so a kernel that reads an unwritten
// slot, or lets a masked key into a sum, gives NaN.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/cpu_cache.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::CpuTier;
using backend::KvShape;
using backend::KvType;
using backend::Range;
using ops::Random;

// Where tiles (64), splits (256) and blocks (16, 32) begin and end.
constexpr int32_t kEdges[] = {0,  1,  3,  15,  16,  17,  31,  32,  62,
                              63, 64, 65, 127, 128, 129, 191, 192, 200};
constexpr int32_t kSplitEdges[] = {255, 256, 257, 320};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A row of the batch.
struct Row {
  int32_t sequence;
  int32_t position;
};

class AttentionInputs {
 public:
  // Each position a row of one of two sequences, by lot.
  AttentionInputs(Random& random, const KvShape& shape, int32_t group,
                  const std::vector<int32_t>& positions)
      : AttentionInputs(random, shape, group, Scattered(random, positions)) {}

  AttentionInputs(Random& random, const KvShape& shape, int32_t group, std::vector<Row> rows)
      : shape_(shape), num_q_heads_(shape.num_kv_heads * group) {
    // Just as long as their rows need, so that what follows in the last block is poison.
    std::vector<int32_t> lengths;
    for (const Row& row : rows) {
      lengths.resize(std::max<size_t>(lengths.size(), row.sequence + 1), 0);
      lengths[row.sequence] = std::max(lengths[row.sequence], row.position + 1);
    }
    paged_ = ops::MakePagedCache(random, TestMemory(), shape, lengths);
    cpu_cache_ = CpuCopyOf(*paged_.cache);
    batch_.tables = paged_.table_spans;
    for (const Row& row : rows) batch_.Add(row.sequence, row.position);
    rows_ = static_cast<int64_t>(rows.size());
    q_ = ops::RandomFloats(random, rows_ * RowValues(), ops::Spread::kNormal);
    // Some rows look at few keys (large scores), some at all of them alike.
    for (int64_t i = 0; i < rows_ * RowValues(); ++i) {
      q_[i] *= i / RowValues() % 3 == 0 ? 8.0f : 1.0f;
    }
  }

  int64_t units() const { return rows_ * num_q_heads_; }
  int64_t RowValues() const { return int64_t{num_q_heads_} * shape_.head_dim; }

  // `run(params)` writes every row of params.out.
  template <typename Run>
  std::vector<float> Apply(Run run) const {
    return ApplyTo(*cpu_cache_, run);
  }

  std::vector<float> Oracle() const {
    return ApplyTo(*paged_.cache, [&](const backend::AttentionParams& params) {
      ops::OracleAttention(params, {0, units()});
    });
  }

 private:
  static std::vector<Row> Scattered(Random& random, const std::vector<int32_t>& positions) {
    std::vector<Row> rows;
    for (const int32_t position : positions) {
      rows.push_back({static_cast<int32_t>(random() % 2), position});
    }
    return rows;
  }

  template <typename Run>
  std::vector<float> ApplyTo(const backend::KvCache& cache, Run run) const {
    std::vector<float> out(rows_ * RowValues(), kNan);
    const backend::Batch view = batch_.View();
    run(backend::AttentionParams{.batch = &view,
                                 .q = q_.data(),
                                 .num_q_heads = num_q_heads_,
                                 .scale = 1.0f / std::sqrt(static_cast<float>(shape_.head_dim)),
                                 .cache = &cache,
                                 .layer = 1,
                                 .out = out.data()});
    return out;
  }

  const KvShape shape_;
  const int32_t num_q_heads_;
  ops::PagedCache paged_;
  std::unique_ptr<backend::KvCache> cpu_cache_;
  ops::OwnedBatch batch_;
  int64_t rows_ = 0;
  std::vector<float> q_;
};

// Rows at consecutive positions of a sequence, appended to `rows`.
void AddRun(int32_t sequence, int32_t first, int32_t count, std::vector<Row>& rows) {
  for (int32_t i = 0; i < count; ++i) rows.push_back({sequence, first + i});
}

void ExpectFinite(const std::vector<float>& values) {
  for (const float value : values) ASSERT_TRUE(std::isfinite(value));
}

class AttentionTest : public testing::TestWithParam<CpuTier> {
 protected:
  // All rows, in ranges of at most `most` heads cut at random, by backends of 1 to 4 threads.
  std::vector<float> Run(const AttentionInputs& inputs, int64_t most) {
    return inputs.Apply([&](const backend::AttentionParams& params) {
      for (int64_t begin = 0; begin < inputs.units();) {
        const int64_t end =
            std::min(inputs.units(),
                     begin + 1 + static_cast<int64_t>(random_() % static_cast<uint64_t>(most)));
        const int32_t threads = static_cast<int32_t>(1 + random_() % 4);
        ASSERT_TRUE(BackendFor(GetParam(), threads).Attention(params, Range{begin, end}).ok());
        begin = end;
      }
    });
  }

  Random random_{11};
};

class AttentionTierTest : public testing::TestWithParam<CpuTier> {};

// Every head dim with every type and every size of group: those that fill no vector, one vector,
// and up to the largest; groups below, at and above the eight heads of one pass.
TEST_P(AttentionTest, EveryShapeGivesTheOraclesBits) {
  size_t which = 0;
  for (const int32_t head_dim : {8, 20, 32, 64, 80, 128, 256, 512}) {
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16}) {
      for (const int32_t group : {1, 3, 7, 8, 11}) {
        const KvShape shape = {.num_layers = 2,
                               .num_kv_heads = static_cast<int32_t>(1 + which % 2),
                               .head_dim = head_dim,
                               .block_size = which / 2 % 2 == 0 ? 16 : 32,
                               .type = type};
        SCOPED_TRACE(absl::StrCat("head_dim ", head_dim, " group ", group, " block ",
                                  shape.block_size, " ", backend::KvTypeName(type)));
        // Few positions a shape, other ones each time: within a tile, around its end, in the next
        // split. The test below has every position.
        const size_t third = which++ % 9;
        const AttentionInputs inputs(random_, shape, group,
                                     {kEdges[third], kEdges[9 + third], kSplitEdges[third % 4]});
        const std::vector<float> expected = inputs.Oracle();
        ExpectFinite(expected);
        ASSERT_EQ(ops::FirstDifference(Run(inputs, 3 * shape.num_kv_heads * group), expected), -1);
      }
    }
  }
}

// Each position once as a row of its own and once inside chunks of any size: one set of bits.
TEST_P(AttentionTest, EveryPositionGivesTheOraclesBitsAloneAndInChunks) {
  std::vector<int32_t> positions(701);
  for (int32_t i = 0; i <= 700; ++i) positions[i] = i;
  const KvShape shape = {
      .num_layers = 2, .num_kv_heads = 1, .head_dim = 32, .block_size = 16, .type = KvType::kF16};
  const AttentionInputs inputs(random_, shape, 2, positions);
  const std::vector<float> expected = inputs.Oracle();
  ExpectFinite(expected);
  ASSERT_EQ(ops::FirstDifference(Run(inputs, 1), expected), -1);
  ASSERT_EQ(ops::FirstDifference(Run(inputs, 600), expected), -1);
}

// As many rows as a step may have of one op, 1 to 130: the first rows of a batch have the bits that
// they have in the whole of it, and nothing beyond them is written.
TEST_P(AttentionTest, EveryRowCountGivesTheOraclesBits) {
  constexpr int64_t kRowsMax = 130;
  std::vector<int32_t> positions(kRowsMax);
  for (int32_t i = 0; i < kRowsMax; ++i) positions[i] = i * 37 % 150;
  const KvShape shape = {
      .num_layers = 2, .num_kv_heads = 2, .head_dim = 20, .block_size = 16, .type = KvType::kBF16};
  const AttentionInputs inputs(random_, shape, 2, positions);
  std::vector<float> expected = inputs.Oracle();
  for (int64_t rows = kRowsMax; rows >= 1; --rows) {
    std::fill(expected.begin() + rows * inputs.RowValues(), expected.end(), kNan);
    const std::vector<float> out = inputs.Apply([&](const backend::AttentionParams& params) {
      backend::Backend& backend = BackendFor(GetParam(), static_cast<int32_t>(1 + rows % 4));
      ASSERT_TRUE(backend.Attention(params, Range{0, rows * params.num_q_heads}).ok());
    });
    ASSERT_EQ(ops::FirstDifference(out, expected), -1) << rows << " rows";
  }
}

// Blocks of rows: every number of rows of a chunk, from positions at and beside every edge of tiles
// and splits, so that rows of one block see different numbers of keys of its last tiles.
TEST_P(AttentionTest, EveryChunkGivesTheOraclesBits) {
  int32_t count = 1;
  for (const int32_t group : {1, 3, 4, 8, 16}) {
    for (const int32_t block_size : {1, 5, 16, 32, 64}) {
      const KvShape shape = {.num_layers = 2,
                             .num_kv_heads = 1 + count % 2,
                             .head_dim = count % 3 == 0   ? 20
                                         : count % 3 == 1 ? 64
                                                          : 32,
                             .block_size = block_size,
                             .type = count % 4 == 0   ? KvType::kF32
                                     : count % 4 == 1 ? KvType::kBF16
                                                      : KvType::kF16};
      std::vector<Row> rows;
      AddRun(0, kSplitEdges[count % 4] - count % 67, 1 + count % 67, rows);
      AddRun(1, kEdges[count % 18], 1 + count % 23, rows);
      SCOPED_TRACE(absl::StrCat("case ", count, " group ", group, " block ", block_size));
      const AttentionInputs inputs(random_, shape, group, rows);
      const std::vector<float> expected = inputs.Oracle();
      ExpectFinite(expected);
      ASSERT_EQ(ops::FirstDifference(Run(inputs, inputs.units() * 2), expected), -1);
      ASSERT_EQ(ops::FirstDifference(Run(inputs, 1 + inputs.units() / 3), expected), -1);
      count += 7;
    }
  }
}

// One sequence's chunk of 1 to 130 rows, whole in one call: the blocks that the threads make of it
// are other ones for every count.
TEST_P(AttentionTest, EveryRowCountOfAChunkGivesTheOraclesBits) {
  constexpr int32_t kRowsMax = 130;
  const KvShape shape = {
      .num_layers = 2, .num_kv_heads = 1, .head_dim = 16, .block_size = 16, .type = KvType::kF16};
  std::vector<Row> rows;
  AddRun(0, 180, kRowsMax, rows);
  const AttentionInputs inputs(random_, shape, 3, rows);
  std::vector<float> expected = inputs.Oracle();
  ExpectFinite(expected);
  for (int64_t count = kRowsMax; count >= 1; --count) {
    std::fill(expected.begin() + count * inputs.RowValues(), expected.end(), kNan);
    const std::vector<float> out = inputs.Apply([&](const backend::AttentionParams& params) {
      backend::Backend& backend = BackendFor(GetParam(), static_cast<int32_t>(1 + count % 4));
      ASSERT_TRUE(backend.Attention(params, Range{0, count * params.num_q_heads}).ok());
    });
    ASSERT_EQ(ops::FirstDifference(out, expected), -1) << count << " rows";
  }
}

// A step's batch: decode rows, a chunk, rows to verify, a sequence twice with a gap, neighbours
// whose positions follow each other by chance, and rows out of order.
TEST_P(AttentionTest, MixedSequencesGiveTheOraclesBits) {
  for (const int32_t head_dim : {64, 80, 128}) {
    const KvShape shape = {
        .num_layers = 2, .num_kv_heads = 2, .head_dim = head_dim, .type = KvType::kF16};
    std::vector<Row> rows = {{0, 63}, {1, 64}, {2, 65}, {2, 65}, {2, 64}};
    AddRun(3, 120, 17, rows);
    AddRun(4, 254, 4, rows);
    AddRun(4, 60, 9, rows);
    rows.push_back({0, 0});
    const AttentionInputs inputs(random_, shape, 4, rows);
    const std::vector<float> expected = inputs.Oracle();
    ExpectFinite(expected);
    for (const int64_t most : {inputs.units() * 2, int64_t{40}, int64_t{9}}) {
      ASSERT_EQ(ops::FirstDifference(Run(inputs, most), expected), -1) << most;
    }
  }
}

// Ranges that begin and end anywhere in a group, in groups of several passes, on more threads than
// there are heads.
TEST_P(AttentionTest, EveryRangeOfHeadsGivesTheOraclesBitsAndNothingElse) {
  for (const int32_t group : {1, 4, 11}) {
    const KvShape shape = {.num_layers = 2, .num_kv_heads = 2, .head_dim = 32, .block_size = 16};
    const AttentionInputs inputs(random_, shape, group, {70, 5});
    const std::vector<float> all = inputs.Oracle();
    for (int64_t begin = 0; begin < inputs.units(); ++begin) {
      for (int64_t end = begin; end <= inputs.units(); end += 1 + end % 3) {
        std::vector<float> expected(all.size(), kNan);
        std::copy(all.begin() + begin * 32, all.begin() + end * 32, expected.begin() + begin * 32);
        const std::vector<float> out = inputs.Apply([&](const backend::AttentionParams& params) {
          backend::Backend& backend = BackendFor(GetParam(), static_cast<int32_t>(1 + end % 4));
          ASSERT_TRUE(backend.Attention(params, Range{begin, end}).ok());
        });
        ASSERT_EQ(ops::FirstDifference(out, expected), -1) << group << " " << begin << " " << end;
      }
    }
  }
}

// Every tier has attention, of its own or of the tier below, for every type.
TEST_P(AttentionTierTest, EveryTypeGivesTheOraclesBits) {
  Random random(12);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16}) {
    const KvShape shape = {.num_layers = 2, .num_kv_heads = 2, .head_dim = 64, .type = type};
    std::vector<Row> rows = {{1, 70}};
    AddRun(0, 250, 12, rows);
    const AttentionInputs inputs(random, shape, 4, rows);
    const std::vector<float> out = inputs.Apply([&](const backend::AttentionParams& params) {
      ASSERT_TRUE(BackendFor(GetParam(), 2).Attention(params, Range{0, inputs.units()}).ok());
    });
    ASSERT_EQ(ops::FirstDifference(out, inputs.Oracle()), -1) << backend::KvTypeName(type);
  }
}

// Tiers above avx512 have its attention.
std::vector<CpuTier> AttentionTiers() {
  std::vector<CpuTier> tiers = TestedTiers();
  std::erase_if(tiers, [](CpuTier tier) { return tier > CpuTier::kAvx512; });
  return tiers;
}

INSTANTIATE_TEST_SUITE_P(Tiers, AttentionTest, testing::ValuesIn(AttentionTiers()),
                         [](const auto& info) { return std::string(TierName(info.param)); });
INSTANTIATE_TEST_SUITE_P(Tiers, AttentionTierTest, testing::ValuesIn(TestedTiers()),
                         [](const auto& info) { return std::string(TierName(info.param)); });

}  // namespace
}  // namespace llmrt::cpu
