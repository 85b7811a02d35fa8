// Rows leave a step at every place where a step can be cut; the rows that stay must not notice, in
// their logits or in their KV.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/forward_pass.h"
#include "tests/model/random_model.h"
#include "tests/model/step_runner.h"

namespace llmrt::model {
namespace {

using backend::CpuTier;
using backend::WeightType;
using testing::RandomTokens;
using testing::RunnerOptions;
using testing::StepRunner;
using Logits = std::vector<std::vector<float>>;
using Removal = StepRunner::Removal;

struct Case {
  WeightType type;
  CpuTier tier;
  int32_t threads;
  bool mixed = false;  // products of one walk have different types, which read different formats
};

std::string Name(const ::testing::TestParamInfo<Case>& info) {
  return std::string(backend::GeometryOf(info.param.type).name) +
         testing::NameOfTier(info.param.tier) + (info.param.mixed ? "Mixed" : "");
}

// A sequence may lose all its rows or the last ones.
struct Loss {
  const char* name;
  std::vector<Removal> removals;  // slices are counted from the first removal
  int64_t kept[3];                // rows left of each sequence
};

// A step in which sequence 0 has rows 0 to 2, sequence 1 rows 3 and 4, sequence 2 rows 5 to 8.
constexpr int64_t kFewRows[3] = {3, 2, 4};

const std::vector<Loss>& LossesOfFewRows() {
  static const std::vector<Loss> losses = {
      {"first", {{0, 0, 3}}, {0, 2, 4}},
      {"middle", {{0, 3, 2}}, {3, 0, 4}},
      {"last", {{0, 5, 4}}, {3, 2, 0}},
      {"first two", {{0, 0, 5}}, {0, 0, 4}},
      {"ends", {{0, 7, 2}, {0, 4, 1}, {0, 1, 2}}, {1, 1, 2}},
      {"first and last, five slices apart", {{0, 0, 3}, {5, 2, 4}}, {0, 2, 0}},
  };
  return losses;
}

// A step whose matrix products go in bands: rows 0 to 31, 32 to 63, 64 to 69.
constexpr int64_t kManyRows[3] = {36, 10, 24};

const std::vector<Loss>& LossesOfManyRows() {
  static const std::vector<Loss> losses = {
      {"the first band and more", {{0, 0, 36}}, {0, 10, 24}},
      {"inside the second band", {{0, 36, 10}}, {36, 0, 24}},
      {"across bands", {{0, 20, 16}, {0, 21, 33}}, {20, 1, 0}},
      {"the first and then the last", {{0, 0, 36}, {2, 10, 24}}, {0, 10, 0}},
  };
  return losses;
}

class RemoveRowsTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    options_.tier = GetParam().tier;
    options_.threads = GetParam().threads;
    options_.slice_cost = 1;  // the smallest slices there are
    options_.rows = 128;
  }

  static std::vector<StepRunner::Piece> Pieces(const int64_t (&count)[3], uint32_t seed) {
    std::vector<StepRunner::Piece> pieces;
    for (int32_t sequence = 0; sequence < 3; ++sequence) {
      std::vector<int32_t> tokens = RandomTokens(50, 300, seed + static_cast<uint32_t>(sequence));
      tokens.resize(static_cast<size_t>(count[sequence]));
      if (!tokens.empty()) pieces.push_back({sequence, tokens});
    }
    return pieces;
  }

  static void Rewind(StepRunner& runner) {
    for (int32_t sequence = 0; sequence < 3; ++sequence) runner.Rewind(sequence, kBefore);
  }

  static std::vector<std::vector<uint8_t>> Kv(StepRunner& runner) {
    return {runner.KvBytes(0), runner.KvBytes(1), runner.KvBytes(2)};
  }

  // Tries `loss` on a step of `all` rows after 0, `stride`, 2 * `stride`, ... slices and collects
  // the ops that were left in the middle.
  void TryEverywhere(const int64_t (&all)[3], const Loss& loss, int64_t stride,
                     std::set<Op>& inside);

  static constexpr int64_t kBefore = 3;  // tokens that each sequence has before the step
  RunnerOptions options_;
  std::unique_ptr<formats::ModelFile> file_ = testing::OpenRandomModel({.layers = 2,
                                                                        .dim = 64,
                                                                        .ffn_dim = 64,
                                                                        .q_heads = 4,
                                                                        .kv_heads = 2,
                                                                        .type = GetParam().type,
                                                                        .types = Types()});

 private:
  static std::map<std::string, WeightType> Types() {
    if (!GetParam().mixed) return {};
    return {{"blk.0.attn_v.weight", WeightType::kF16},
            {"blk.1.attn_q.weight", WeightType::kBF16},
            {"blk.1.ffn_up.weight", WeightType::kF32}};
  }
};

INSTANTIATE_TEST_SUITE_P(Classes, RemoveRowsTest,
                         ::testing::Values(Case{WeightType::kF32, CpuTier::kPortable, 1},
                                           Case{WeightType::kBF16, CpuTier::kBest, 2},
                                           Case{WeightType::kQ8_0, CpuTier::kPortable, 1},
                                           Case{WeightType::kF16, CpuTier::kBest, 1},
                                           Case{WeightType::kQ4_0, CpuTier::kBest, 2},
                                           Case{WeightType::kQ8_0, CpuTier::kBest, 2, true}),
                         Name);

void RemoveRowsTest::TryEverywhere(const int64_t (&all)[3], const Loss& loss, int64_t stride,
                                   std::set<Op>& inside) {
  const int64_t before[3] = {kBefore, kBefore, kBefore};
  StepRunner without(*file_, options_);
  without.Step(Pieces(before, 100));
  const Logits expected = without.Step(Pieces(loss.kept, 200));
  const std::vector<std::vector<uint8_t>> expected_kv = Kv(without);

  StepRunner runner(*file_, options_);
  runner.Step(Pieces(before, 100));
  for (int64_t slices = 0;; slices += stride) {
    SCOPED_TRACE(slices);
    // Other tokens leave other values in every buffer and behind the sequences' ends.
    runner.Step(Pieces(all, 300));
    Rewind(runner);
    std::vector<Removal> removals = loss.removals;
    for (Removal& removal : removals) removal.after_slices += slices;
    std::vector<Cursor> where;
    const Logits logits = runner.StepRemoving(Pieces(all, 200), removals, where);
    if (where.size() < removals.size()) break;  // the step has come to its logits
    for (const Cursor& cursor : where) {
      if (cursor.unit > 0 &&
          (stride == 1 || cursor.op == Op::kAttention || cursor.band_begin > 0)) {
        inside.insert(cursor.op);
      }
    }
    ASSERT_EQ(logits.size(), expected.size());
    for (size_t i = 0; i < logits.size(); ++i) {
      ASSERT_EQ(std::memcmp(logits[i].data(), expected[i].data(), expected[i].size() * 4), 0) << i;
    }
    ASSERT_EQ(Kv(runner), expected_kv);
    Rewind(runner);
  }
}

TEST_P(RemoveRowsTest, RowsThatStayKeepTheirBitsWhereverOthersLeave) {
  std::set<Op> inside;
  for (const Loss& loss : LossesOfFewRows()) {
    SCOPED_TRACE(loss.name);
    TryEverywhere(kFewRows, loss, 1, inside);
    if (HasFatalFailure()) return;
  }
  for (int op = 0; op < static_cast<int>(Op::kFinalNorm); ++op) {
    EXPECT_TRUE(inside.contains(static_cast<Op>(op))) << op;
  }
}

TEST_P(RemoveRowsTest, RowsLeaveBandsBeforeInsideAndBehindTheOneUnderWay) {
  // Where a step is cut does not depend on the tier; the portable one takes longer.
  const bool portable = options_.tier == CpuTier::kPortable;
  const int64_t stride = portable ? 101 : 5;
  std::set<Op> inside;  // behind the first band
  for (const Loss& loss : LossesOfManyRows()) {
    SCOPED_TRACE(loss.name);
    TryEverywhere(kManyRows, loss, stride, inside);
    if (HasFatalFailure()) return;
  }
  for (const Op op : {Op::kQueryKeyValue, Op::kAttention, Op::kOutput, Op::kDown}) {
    EXPECT_TRUE(portable || inside.contains(op)) << static_cast<int>(op);
  }
}

// What a caller can get wrong, on a step of three rows.
class RemovalCheckTest : public ::testing::Test {
 protected:
  absl::Status Begin() { return runner_.pass().Begin(batch_, logit_rows_); }
  absl::Status Remove(int64_t first, int64_t count, size_t left) {
    const absl::Span<const int32_t> rows(zeros_.data(), left);
    left_ = {.tokens = rows, .positions = rows, .sequences = rows, .block_tables = tables_};
    return runner_.pass().RemoveRows(first, count, left_, {});
  }

  std::unique_ptr<formats::ModelFile> file_ = testing::OpenRandomModel({});
  StepRunner runner_{*file_, {}};
  const std::vector<int32_t> zeros_ = std::vector<int32_t>(3), blocks_ = std::vector<int32_t>(40);
  const std::vector<int32_t> logit_rows_ = {2};
  const std::vector<absl::Span<const int32_t>> tables_ = {blocks_};
  const backend::Batch batch_{
      .tokens = zeros_, .positions = zeros_, .sequences = zeros_, .block_tables = tables_};
  backend::Batch left_;
};

TEST_F(RemovalCheckTest, ARemovalThatDoesNotFitAbandonsTheStep) {
  const struct {
    int64_t first, count;
    size_t left;
  } wrong[] = {{0, 3, 0}, {-1, 1, 2}, {0, 0, 3}, {3, 1, 2}, {2, 2, 1}, {0, 1, 1}, {1, -1, 3}};
  for (const auto& one : wrong) {
    ASSERT_TRUE(Begin().ok());
    EXPECT_EQ(Remove(one.first, one.count, one.left).code(), absl::StatusCode::kInternal)
        << one.first << " " << one.count;
    EXPECT_EQ(runner_.pass().cursor().op, Op::kDone);
  }
  ASSERT_TRUE(Begin().ok());
  EXPECT_TRUE(Remove(2, 1, 2).ok());
}

TEST_F(RemovalCheckTest, NobodyLeavesAStepThatIsNotInFlightOrAtItsLogits) {
  EXPECT_EQ(Remove(0, 1, 2).code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(Begin().ok());
  const auto at_logits = [this] { return runner_.pass().cursor().op == Op::kFinalNorm; };
  ASSERT_FALSE(*runner_.pass().Advance(1, at_logits));
  EXPECT_EQ(Remove(0, 1, 2).code(), absl::StatusCode::kInternal);
}

TEST_F(RemovalCheckTest, LogitRowsThatRemainAreRowsThatRemain) {
  ASSERT_TRUE(Begin().ok());
  const absl::Span<const int32_t> rows(zeros_.data(), 2);
  left_ = {.tokens = rows, .positions = rows, .sequences = rows, .block_tables = tables_};
  EXPECT_EQ(runner_.pass().RemoveRows(0, 1, left_, {2}).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(runner_.pass().cursor().op, Op::kDone);
}

// The step ends where nobody is left who asks for logits.
TEST_F(RemovalCheckTest, AStepWhoseLogitRowsLeftEndsWithItsLastLayer) {
  ASSERT_TRUE(Begin().ok());
  ASSERT_TRUE(Remove(2, 1, 2).ok());
  bool came_to_logits = false;
  const auto look = [&] {
    came_to_logits |= runner_.pass().cursor().op == Op::kFinalNorm;
    return false;
  };
  EXPECT_TRUE(*runner_.pass().Advance(1, look));
  EXPECT_FALSE(came_to_logits);
}

}  // namespace
}  // namespace llmrt::model
