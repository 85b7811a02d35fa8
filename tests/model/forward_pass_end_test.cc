// How a step ends: the backend's step ends once with it, also where rows that leave the last
// product end it or take it to its final ops.
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <vector>

#include "memory/counted_heap.h"
#include "model/forward_pass.h"
#include "tests/model/counting_backend.h"
#include "tests/model/random_model.h"
#include "tests/model/step_runner.h"

namespace llmrt::model {
namespace {

using testing::CountingBackend;
using testing::RunnerOptions;
using testing::StepCounts;
using testing::StepRunner;

class StepEndTest : public ::testing::Test {
 protected:
  static constexpr int32_t kLayers = 2;

  RunnerOptions Options() {
    RunnerOptions options;
    options.wrap = [this](std::unique_ptr<backend::Backend> inner) {
      return std::make_unique<CountingBackend>(std::move(inner), counts_);
    };
    return options;
  }

  StepEndTest() {
    for (int32_t i = 0; i < 3; ++i) {
      std::iota(blocks_[i].begin(), blocks_[i].end(), i * 40);
      tables_.emplace_back(blocks_[i]);
    }
  }

  // A step of so many rows of three new sequences.
  void Begin(const std::vector<int32_t>& rows, std::vector<int32_t> logit_rows) {
    tokens_.clear(), positions_.clear(), sequences_.clear();
    for (int32_t sequence = 0; sequence < 3; ++sequence) {
      for (int32_t i = 0; i < rows[static_cast<size_t>(sequence)]; ++i) {
        tokens_.push_back((sequence * 71 + i * 13) % 300);
        positions_.push_back(i);
        sequences_.push_back(sequence);
      }
    }
    logit_rows_ = std::move(logit_rows);
    PointBatch();
    ASSERT_TRUE(pass().Begin(batch_, logit_rows_).ok());
  }

  // Rows from `first` on leave.
  absl::Status Cut(size_t first) {
    const auto count = static_cast<int64_t>(tokens_.size() - first);
    for (auto* rows : {&tokens_, &positions_, &sequences_}) rows->resize(first);
    std::erase_if(logit_rows_, [&](int32_t row) { return row >= static_cast<int32_t>(first); });
    PointBatch();
    return pass().RemoveRows(static_cast<int64_t>(first), count, batch_, logit_rows_);
  }

  absl::StatusOr<bool> AdvanceOnce() {
    return pass().Advance(1, [] { return true; });
  }
  void Finish() {
    const absl::StatusOr<bool> done = pass().Advance(1, [] { return false; });
    ASSERT_TRUE(done.ok()) << done.status();
    EXPECT_TRUE(*done);
  }

  // Begins the step and runs `slices` slices of the last product; false: it has fewer.
  bool ComeToLastProduct(const std::vector<int32_t>& rows, const std::vector<int32_t>& logit_rows,
                         int64_t slices) {
    Begin(rows, logit_rows);
    while (!AtLastProduct()) EXPECT_FALSE(*AdvanceOnce());
    for (int64_t i = 0; i < slices; ++i) {
      if (*AdvanceOnce() || !AtLastProduct()) return false;
    }
    return true;
  }
  bool AtLastProduct() {
    return pass().cursor().op == Op::kDown && pass().cursor().layer == kLayers - 1;
  }

  std::vector<std::vector<float>> Logits(int64_t count) {
    std::vector<std::vector<float>> logits;
    for (int64_t i = 0; i < count; ++i) {
      logits.emplace_back(pass().Logits(i)->begin(), pass().Logits(i)->end());
    }
    return logits;
  }

  ForwardPass& pass() { return runner_.pass(); }

  StepCounts counts_;
  std::unique_ptr<formats::ModelFile> file_ = testing::OpenRandomModel({.layers = kLayers});
  StepRunner runner_{*file_, Options()};

 private:
  void PointBatch() {
    batch_ = {.tokens = tokens_,
              .positions = positions_,
              .sequences = sequences_,
              .block_tables = tables_};
  }

  std::vector<int32_t> blocks_[3] = {std::vector<int32_t>(40), std::vector<int32_t>(40),
                                     std::vector<int32_t>(40)};
  std::vector<absl::Span<const int32_t>> tables_;
  std::vector<int32_t> tokens_, positions_, sequences_, logit_rows_;
  backend::Batch batch_;
};

TEST_F(StepEndTest, EveryStepThatIsNotAbandonedEndsOnce) {
  Begin({3, 2, 1}, {5});
  while (!*AdvanceOnce()) EXPECT_EQ(counts_.ended, 0);
  EXPECT_EQ(counts_.ended, 1);
  EXPECT_TRUE(*AdvanceOnce()) << "the step is over";
  EXPECT_EQ(counts_.ended, 1);

  Begin({3, 2, 1}, {});
  EXPECT_TRUE(*pass().AdvanceTimed(100, [] { return false; }));
  EXPECT_EQ(counts_.ended, 2);

  Begin({3, 2, 1}, {5});
  EXPECT_FALSE(*AdvanceOnce());
  pass().Abandon();
  EXPECT_TRUE(*AdvanceOnce());
  EXPECT_EQ(counts_.ended, 2);
  EXPECT_EQ(counts_.begun, 3);
  EXPECT_EQ(counts_.ops_outside, 0);
}

TEST_F(StepEndTest, AnEndThatFailsIsTheStepsError) {
  counts_.end_status = absl::InternalError("the device is gone");
  Begin({3, 2, 1}, {5});
  EXPECT_EQ(pass().Advance(1 << 20, [] { return false; }).status(), counts_.end_status);
  EXPECT_EQ(counts_.ended, 1);
}

// All memory of all steps is taken when things are made: the plan counts it, and a step cannot fail
// for the lack of it. Heap is not counted under sanitizers; the test then shows nothing.
TEST(StepMemoryTest, NoStepAllocates) {
  for (const auto numerics : {backend::NumericMode::kExact, backend::NumericMode::kReference}) {
    for (const auto type : {backend::WeightType::kF32, backend::WeightType::kQ8_0}) {
      const auto file = testing::OpenRandomModel({.type = type});
      RunnerOptions options;
      options.numerics = numerics;
      options.threads = 2;
      if (numerics == backend::NumericMode::kReference) options.kv_type = backend::KvType::kF32;
      StepRunner runner(*file, options);
      const std::vector<int32_t> tokens = testing::RandomTokens(70, 300, 1), sequences(70, 0);
      std::vector<int32_t> positions(70), blocks(5);
      std::iota(positions.begin(), positions.end(), 0);
      std::iota(blocks.begin(), blocks.end(), 0);
      const std::vector<int32_t> logit_rows = {69};
      const std::vector<absl::Span<const int32_t>> tables = {blocks};
      const backend::Batch batch{
          .tokens = tokens, .positions = positions, .sequences = sequences, .block_tables = tables};
      const int64_t before = memory::HeapAllocations();
      ASSERT_TRUE(runner.pass().Begin(batch, logit_rows).ok());
      ASSERT_TRUE(*runner.pass().Advance(10000, [] { return false; }));
      EXPECT_EQ(memory::HeapAllocations(), before);
    }
  }
}

// Rows 0 to 31 are a band of the last product, and the others leave with all logit rows.
TEST_F(StepEndTest, AStepThatLeavingRowsEndEndsInTheBackendToo) {
  int64_t ended_by_removal = 0;
  for (int64_t slices = 0; ComeToLastProduct({32, 8, 0}, {39}, slices); ++slices) {
    SCOPED_TRACE(slices);
    const int64_t ended = counts_.ended;
    ASSERT_TRUE(Cut(32).ok());
    ended_by_removal += pass().cursor().op == Op::kDone ? 1 : 0;
    EXPECT_EQ(counts_.ended, ended) << "only Advance waits";
    if (slices % 2 == 0) {
      Finish();
    } else {
      EXPECT_TRUE(*pass().AdvanceTimed(100, [] { return false; }));
    }
    EXPECT_EQ(counts_.ended, ended + 1);
  }
  EXPECT_GT(ended_by_removal, 1);
}

// Two sequences leave one after the other, the last one first. Where the first removal takes the
// step to its final ops, the second one is refused and ends the step; left out, it does no harm.
TEST_F(StepEndTest, TwoRemovalsWorkUpToTheFinalOpsWhichTheFirstMayReach) {
  const std::vector<int32_t> kept_rows = {0, 5, 19};
  Begin({20, 0, 0}, kept_rows);
  Finish();
  const auto expected = Logits(3);
  const std::vector<int32_t> rows = {20, 12, 38}, logit_rows = {0, 5, 19, 31, 69};
  int64_t both = 0, refused = 0;
  for (int64_t slices = 0; ComeToLastProduct(rows, logit_rows, slices); ++slices) {
    SCOPED_TRACE(slices);
    ASSERT_TRUE(Cut(32).ok());
    if (pass().cursor().op < Op::kFinalNorm) {
      ++both;
      ASSERT_TRUE(Cut(20).ok());
      Finish();
      EXPECT_EQ(Logits(3), expected);
      continue;
    }
    ++refused;
    const int64_t ended = counts_.ended;
    EXPECT_EQ(Cut(20).code(), absl::StatusCode::kInternal);
    EXPECT_EQ(pass().cursor().op, Op::kDone);
    EXPECT_TRUE(*AdvanceOnce());
    EXPECT_EQ(counts_.ended, ended) << "it was abandoned";

    ASSERT_TRUE(ComeToLastProduct(rows, logit_rows, slices));
    ASSERT_TRUE(Cut(32).ok());
    Finish();
    EXPECT_EQ(Logits(3), expected);
    EXPECT_EQ(counts_.ended, ended + 1);
  }
  EXPECT_GT(both, 0);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(counts_.ops_outside, 0);
}

}  // namespace
}  // namespace llmrt::model
