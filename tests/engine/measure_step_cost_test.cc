#include "engine/measure_step_cost.h"

#include <gtest/gtest.h>

#include "engine/resources.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

std::unique_ptr<Resources> Load(EngineOptions options) {
  options.threads = 1;
  LogRing log(LogLevel::kInfo);
  return LoadResources(*llmrt::testing::RandomSource(), options, log, [](float) { return true; })
      .value();
}

MeasuredSteps Wide(int64_t rows_max) {
  return {.rows_max = rows_max, .block_size = 16, .kv_blocks = 40, .context_length = 640};
}

bool Never() { return false; }

TEST(MeasureStepCostTest, EveryNumberOfRowsCostsSomethingAndMoreNeverLess) {
  const std::unique_ptr<Resources> resources = Load({});
  const speculation::StepCost cost = MeasureStepCost(*resources->pass, Wide(16), Never).value();
  EXPECT_GT(cost.Us(1), 0);
  for (int64_t rows = 2; rows <= 64; ++rows) EXPECT_GE(cost.Us(rows), cost.Us(rows - 1)) << rows;
}

TEST(MeasureStepCostTest, TakesNoBlocksAndLeavesThePassToItself) {
  EngineOptions options;
  options.draft_max = 4;
  const std::unique_ptr<Resources> resources = Load(options);
  ASSERT_NE(resources->drafting, nullptr);
  EXPECT_EQ(resources->paged->pool().num_free(), resources->paged->pool().num_blocks());
  EXPECT_EQ(resources->pass->cursor().op, model::Op::kDone);
}

// A cache of one block holds no more rows than that.
TEST(MeasureStepCostTest, ASmallCacheIsEnough) {
  EngineOptions options;
  options.draft_max = 16;
  options.context_length = 3;
  const std::unique_ptr<Resources> resources = Load(options);
  ASSERT_NE(resources->drafting, nullptr);
}

// More streams than a session has positions.
TEST(MeasureStepCostTest, AShortContextIsEnough) {
  EngineOptions options;
  options.draft_max = 4;
  options.context_length = 8;
  options.sessions = 16;
  EXPECT_NE(Load(options)->drafting, nullptr);
}

TEST(MeasureStepCostTest, EndsWhereItIsToldTo) {
  const std::unique_ptr<Resources> resources = Load({});
  EXPECT_EQ(MeasureStepCost(*resources->pass, Wide(16), [] { return true; }).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_TRUE(MeasureStepCost(*resources->pass, Wide(2), Never).ok());
}

}  // namespace
}  // namespace llmrt::engine
