#include "speculation/step_cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace llmrt::speculation {
namespace {

using testing::ElementsAre;

TEST(StepCostTest, FewRowsAreMeasuredOneByOneAndTheMostIsMeasured) {
  EXPECT_THAT(StepCost::RowsToMeasure(1), ElementsAre(1));
  EXPECT_THAT(StepCost::RowsToMeasure(3), ElementsAre(1, 2, 3));
  EXPECT_THAT(StepCost::RowsToMeasure(20), ElementsAre(1, 2, 3, 4, 6, 9, 13, 19, 20));
}

TEST(StepCostTest, StraightLinesBetweenAndBeyondWhatWasMeasured) {
  const StepCost cost({1, 2, 4, 8}, {100, 100, 120, 200});
  const std::vector<double> expected = {100, 100, 110, 120, 140, 160, 180, 200, 220};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_DOUBLE_EQ(cost.Us(static_cast<int64_t>(i) + 1), expected[i]) << i;
  }
  EXPECT_DOUBLE_EQ(StepCost({1}, {50}).Us(3), 150);
}

TEST(StepCostTest, MoreRowsNeverCountAsCheaper) {
  const StepCost cost({1, 2, 3}, {100, 90, 130});
  EXPECT_DOUBLE_EQ(cost.Us(2), 100);
  EXPECT_DOUBLE_EQ(cost.Us(3), 130);
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
