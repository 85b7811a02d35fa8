// Attention over the paged cache: every tier against the oracle, bit for bit. The caches of these
// tests are poisoned with NaN wherever nothing was stored, so a kernel that reads an unwritten
// slot, or lets a masked key into a sum, gives NaN.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
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

class AttentionInputs {
 public:
  AttentionInputs(Random& random, const KvShape& shape, int32_t group,
                  const std::vector<int32_t>& positions)
      : shape_(shape), num_q_heads_(shape.num_kv_heads * group) {
    const int32_t longest = *std::max_element(positions.begin(), positions.end());
    // Two sequences of one cache; the rows of the batch come from both.
    paged_ = ops::MakePagedCache(random, TestMemory(), shape, {longest + 1, longest + 1});
    batch_.tables = paged_.table_spans;
    for (const int32_t position : positions) {
      batch_.Add(static_cast<int32_t>(random() % 2), position);
    }
    rows_ = static_cast<int64_t>(positions.size());
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
    std::vector<float> out(rows_ * RowValues(), kNan);
    const backend::Batch view = batch_.View();
    run(backend::AttentionParams{.batch = &view,
                                 .q = q_.data(),
                                 .num_q_heads = num_q_heads_,
                                 .scale = 1.0f / std::sqrt(static_cast<float>(shape_.head_dim)),
                                 .cache = paged_.cache.get(),
                                 .layer = 1,
                                 .out = out.data()});
    return out;
  }

  std::vector<float> Oracle() const {
    return Apply([&](const backend::AttentionParams& params) {
      ops::OracleAttention(params, {0, units()});
    });
  }

 private:
  const KvShape shape_;
  const int32_t num_q_heads_;
  ops::PagedCache paged_;
  ops::OwnedBatch batch_;
  int64_t rows_ = 0;
  std::vector<float> q_;
};

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

INSTANTIATE_TEST_SUITE_P(Tiers, AttentionTest, testing::ValuesIn(TestedTiers()),
                         [](const auto& info) { return std::string(TierName(info.param)); });

}  // namespace
}  // namespace llmrt::cpu
