#include "model/slice_sizer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace llmrt::model {
namespace {

constexpr int64_t kTarget = 150'000;  // nanoseconds

// Slices of one kind on a machine that does `rate` of its cost in a nanosecond. Returns how long
// the last one took.
int64_t RunSlices(SliceSizer& sizer, double rate, int count) {
  int64_t elapsed = 0;
  for (int i = 0; i < count; ++i) {
    const int64_t cost = sizer.CostFor(0, kTarget);
    elapsed = static_cast<int64_t>(static_cast<double>(cost) / rate);
    sizer.Record(0, cost, elapsed);
  }
  return elapsed;
}

TEST(SliceSizerTest, SlicesComeToTheTargetOnFastAndSlowMachines) {
  for (const double rate : {0.01, 1.0, 30.0, 5000.0}) {
    SliceSizer sizer(1, 2);
    EXPECT_NEAR(static_cast<double>(RunSlices(sizer, rate, 40)), kTarget, kTarget * 0.02) << rate;
  }
}

TEST(SliceSizerTest, TheFirstSliceOfAnOrdinaryCoreIsShort) {
  for (const int64_t threads : {1, 2, 16}) {
    const SliceSizer sizer(1, threads);
    EXPECT_LT(static_cast<double>(sizer.CostFor(0, kTarget)) / (10.0 * threads), kTarget);
  }
}

TEST(SliceSizerTest, AMachineThatSlowsDownGetsShorterSlicesAtOnce) {
  SliceSizer sizer(1, 1);
  RunSlices(sizer, 40.0, 40);
  // Half the speed: the third slice is within a quarter of the target.
  EXPECT_LT(RunSlices(sizer, 20.0, 3), kTarget * 5 / 4);
}

TEST(SliceSizerTest, OneInterruptionCostsOnlyAPartOfTheNextSlice) {
  SliceSizer sizer(1, 1);
  RunSlices(sizer, 40.0, 40);
  const int64_t before = sizer.CostFor(0, kTarget);
  sizer.Record(0, before, 100 * kTarget);
  EXPECT_GT(sizer.CostFor(0, kTarget), before / 2);
  RunSlices(sizer, 40.0, 12);
  EXPECT_GT(sizer.CostFor(0, kTarget), before * 9 / 10);
}

TEST(SliceSizerTest, KindsLearnApart) {
  SliceSizer sizer(2, 1);
  const int64_t untouched = sizer.CostFor(1, kTarget);
  RunSlices(sizer, 1000.0, 20);
  EXPECT_EQ(sizer.CostFor(1, kTarget), untouched);
  EXPECT_GT(sizer.CostFor(0, kTarget), untouched);
}

TEST(SliceSizerTest, NothingMakesACostBelowOne) {
  SliceSizer sizer(1, 1);
  for (int i = 0; i < 2000; ++i) sizer.Record(0, 0, INT64_MAX);
  EXPECT_EQ(sizer.CostFor(0, kTarget), 1);
  EXPECT_EQ(sizer.CostFor(0, 0), 1);
  for (int i = 0; i < 2000; ++i) sizer.Record(0, INT64_MAX, 0);
  EXPECT_GE(sizer.CostFor(0, INT64_MAX), 1);
}

}  // namespace
}  // namespace llmrt::model
