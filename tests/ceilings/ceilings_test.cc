#include "ceilings/ceilings.h"

#include <gtest/gtest.h>

namespace llmrt::ceilings {
namespace {

TEST(CeilingsTest, RatesOfMemoryAndInstructionsComeTogether) {
  const Ceilings ceilings = Measure(2);
  for (const ReadCeiling& read : ceilings.reads) {
    EXPECT_GE(read.streams, 1);
    EXPECT_GT(read.bytes_per_second, 0) << read.streams;
  }
#if defined(__x86_64__)
  EXPECT_FALSE(ceilings.computes.empty());
#endif
  for (const ComputeCeiling& compute : ceilings.computes) {
    EXPECT_FALSE(compute.name.empty());
    EXPECT_GT(compute.operations_per_second, 0) << compute.name;
  }
}

// On a busy machine a second thread may bring nothing, so this says little more than that both ran.
TEST(CeilingsTest, OneThreadIsEnough) {
  EXPECT_EQ(Measure(1).computes.size(), Measure(2).computes.size());
}

TEST(CeilingsTest, ThreadsThatNobodyCanHaveMeasureNothing) {
  EXPECT_TRUE(Measure(0).reads.empty());
  EXPECT_TRUE(Measure(1 << 20).computes.empty());
}

}  // namespace
}  // namespace llmrt::ceilings
