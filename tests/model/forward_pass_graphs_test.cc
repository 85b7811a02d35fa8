// Which steps are recorded, and which are run as a recording. That a replay computes what the ops
// would is tested where there is a device that records (tests/cuda/engine).
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <vector>

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

// One step of `rows` rows of one sequence, the last `logits` of them with logits.
absl::StatusOr<bool> RunStep(ForwardPass& pass, int32_t rows, int32_t logits) {
  std::vector<int32_t> tokens(static_cast<size_t>(rows), 1), positions(tokens.size());
  std::iota(positions.begin(), positions.end(), 0);
  const std::vector<int32_t> sequences(tokens.size(), 0);
  std::vector<int32_t> table(8), logit_rows;
  std::iota(table.begin(), table.end(), 0);
  for (int32_t row = rows - logits; row < rows; ++row) logit_rows.push_back(row);
  const absl::Span<const int32_t> tables[] = {table};
  const backend::Batch batch = {
      .tokens = tokens, .positions = positions, .sequences = sequences, .block_tables = tables};
  if (absl::Status status = pass.Begin(batch, logit_rows); !status.ok()) return status;
  return pass.Advance(1 << 30, [] { return false; });
}

class GraphsTest : public ::testing::Test {
 protected:
  std::unique_ptr<StepRunner> Make(int32_t slots) {
    counts_.graph_slots = slots;
    RunnerOptions options;
    options.wrap = [this](std::unique_ptr<backend::Backend> inner) {
      return std::make_unique<CountingBackend>(std::move(inner), counts_);
    };
    return std::make_unique<StepRunner>(*file_, options);
  }

  std::unique_ptr<formats::ModelFile> file_ = testing::OpenRandomModel({.layers = 2});
  StepCounts counts_;
};

TEST_F(GraphsTest, NothingIsRecordedWhereTheBackendDoesNotRecord) {
  const auto runner = Make(0);
  ASSERT_TRUE(RunStep(runner->pass(), 1, 1).value());
  EXPECT_TRUE(counts_.recorded_ops.empty());
  EXPECT_TRUE(counts_.replays.empty());
}

TEST_F(GraphsTest, EverySlotIsRecordedWithTheSameOps) {
  Make(3);
  ASSERT_EQ(counts_.recorded_ops.size(), 3u);
  // The embedding, ten ops a layer, the last norm and the logits: of a small step each one more is
  // a wait for all threads, or a launch.
  EXPECT_EQ(counts_.recorded_ops[0], 1 + 2 * 10 + 2);
  EXPECT_EQ(counts_.recorded_ops[0], counts_.recorded_ops[1]);
  EXPECT_EQ(counts_.recorded_ops[0], counts_.recorded_ops[2]);
  EXPECT_EQ(counts_.recording, -1);
}

TEST_F(GraphsTest, StepIsRunAsTheSmallestRecordingThatHoldsIt) {
  const auto runner = Make(3);
  for (const int32_t rows : {1, 2, 3, 4}) ASSERT_TRUE(RunStep(runner->pass(), rows, 1).value());
  EXPECT_EQ(counts_.replays, (std::vector<int32_t>{0, 1, 2, 2}));
}

TEST_F(GraphsTest, LargerStepsAndThoseWithoutLogitsAreRunOpByOp) {
  const auto runner = Make(3);
  ASSERT_TRUE(RunStep(runner->pass(), 5, 1).value());
  ASSERT_TRUE(RunStep(runner->pass(), 2, 0).value());
  EXPECT_TRUE(counts_.replays.empty());
}

TEST_F(GraphsTest, ReplayedStepEndsOnce) {
  const auto runner = Make(1);
  const int64_t before = counts_.ended;
  ASSERT_TRUE(RunStep(runner->pass(), 1, 1).value());
  EXPECT_EQ(counts_.ended, before + 1);
  EXPECT_EQ(runner->pass().Progress(), 0.5);  // the last of two layers is the cursor's
}

}  // namespace
}  // namespace llmrt::model
