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

TEST(MeasureStepCostTest, EveryNumberOfRowsCostsSomethingAndMoreNeverLess) {
  const std::unique_ptr<Resources> resources = Load({});
  const speculation::StepCost cost = MeasureStepCost(*resources->pass, 16, 40, 16).value();
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
  EXPECT_TRUE(MeasureStepCost(*resources->pass, 16, 1, resources->plan.limits.logit_rows).ok());
}

}  // namespace
}  // namespace llmrt::engine
