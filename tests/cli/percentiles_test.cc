#include "tools/cli/percentiles.h"

#include <gtest/gtest.h>

namespace llmrt::cli {
namespace {

TEST(PercentileTest, LiesBetweenNeighboursInProportion) {
  EXPECT_DOUBLE_EQ(Percentile({10, 20, 30}, 0.5), 20);
  EXPECT_DOUBLE_EQ(Percentile({10, 20, 30, 40}, 0.5), 25);
  EXPECT_DOUBLE_EQ(Percentile({0, 100}, 0.99), 99);
}

TEST(PercentileTest, EndsAreTheExtremes) {
  EXPECT_DOUBLE_EQ(Percentile({1, 5, 9}, 0), 1);
  EXPECT_DOUBLE_EQ(Percentile({1, 5, 9}, 1), 9);
  EXPECT_DOUBLE_EQ(Percentile({7}, 0.9), 7);
}

}  // namespace
}  // namespace llmrt::cli
