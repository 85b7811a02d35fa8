#include "speculation/step_cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace llmrt::speculation {
namespace {

using testing::ElementsAre;

TEST(StepCostTest, WholeTilesAreFollowedAndTheMostThereMayBe) {
  EXPECT_THAT(StepCost::RowsToFollow(1), ElementsAre(1));
  EXPECT_THAT(StepCost::RowsToFollow(3), ElementsAre(1, 2, 3));
  EXPECT_THAT(StepCost::RowsToFollow(10), ElementsAre(1, 2, 4, 6, 8, 10));
  EXPECT_THAT(StepCost::RowsToFollow(20), ElementsAre(1, 2, 4, 6, 8, 12, 16, 20));
  EXPECT_EQ(StepCost::RowsToFollow(5000).size(), StepCost::kFollowedCount);
}

TEST(StepCostTest, WhatWasNotMeasuredBeginsWithTheSlopeBeforeItAndIsFoundOut) {
  StepCost cost({1, 8, 16, 32, 64}, {100, 180, 300, 500});
  EXPECT_DOUBLE_EQ(cost.Us(64), 500 + 32 * (500.0 - 180) / 24);
  const double before = cost.Us(32);
  for (int i = 0; i < 300; ++i) {
    cost.Observe(32, 500);
    cost.Observe(64, 2000);
  }
  EXPECT_NEAR(cost.Us(64) / cost.Us(32), 4, 0.4);
  EXPECT_NEAR(cost.Us(32), before, 0.15 * before);
}

TEST(StepCostTest, RowsOfATileCostAsMuchAsTheTile) {
  const StepCost cost({1, 2, 4, 8}, {100, 100, 120, 200});
  const std::vector<double> expected = {100, 100, 120, 120, 160, 160, 200, 200, 280, 280, 280, 280};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_DOUBLE_EQ(cost.Us(static_cast<int64_t>(i) + 1), expected[i]) << i;
  }
  EXPECT_DOUBLE_EQ(StepCost({1}, {50}).Us(2), 100);
  // Of a last tile that was not full.
  const StepCost ten({1, 8, 10}, {100, 200, 300});
  EXPECT_DOUBLE_EQ(ten.Us(9), 300);
  EXPECT_DOUBLE_EQ(ten.Us(10), 300);
}

TEST(StepCostTest, MoreRowsNeverCountAsCheaper) {
  const StepCost cost({1, 2, 4}, {100, 90, 130});
  EXPECT_DOUBLE_EQ(cost.Us(2), 100);
  EXPECT_DOUBLE_EQ(cost.Us(4), 130);
}

TEST(StepCostTest, AMachineThatBecomesSlowerMovesTheWholeCurve) {
  StepCost cost({1, 2, 4, 8}, {100, 100, 120, 200});
  for (int i = 0; i < 60; ++i) cost.Observe(1, 300);
  EXPECT_NEAR(cost.Us(1), 300, 3);
  EXPECT_NEAR(cost.Us(8) / cost.Us(1), 2, 0.7);
}

TEST(StepCostTest, TheShapeFollowsSlowly) {
  StepCost cost({1, 2, 4, 8}, {100, 100, 120, 200});
  for (int i = 0; i < 2000; ++i) {
    cost.Observe(1, 100);
    cost.Observe(8, 400);
  }
  EXPECT_NEAR(cost.Us(8) / cost.Us(1), 4, 0.6);
  EXPECT_LE(cost.Us(2), cost.Us(4));
}

TEST(StepCostTest, OneInterruptedStepSaysLittle) {
  StepCost cost({1, 2, 4, 8}, {100, 100, 120, 200});
  cost.Observe(1, 1e6);
  EXPECT_LT(cost.Us(1), 130);
  EXPECT_LT(cost.Us(1) / cost.Us(8), 0.52);
  for (const double useless : {0.0, -1.0, std::nan("")}) cost.Observe(2, useless);
  EXPECT_LT(cost.Us(1), 130);
}

}  // namespace
}  // namespace llmrt::speculation
