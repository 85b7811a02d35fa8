#include "tools/cli/bench_report.h"

#include <gtest/gtest.h>

namespace llmrt::cli {
namespace {

TEST(MeasurementsTest, TheMedianLiesBetweenTheMiddleTwoOfAnEvenNumber) {
  EXPECT_DOUBLE_EQ((Measurements{{1, 5, 6}}).median(), 5);
  EXPECT_DOUBLE_EQ((Measurements{{1, 5, 6, 100}}).median(), 5.5);
  EXPECT_DOUBLE_EQ((Measurements{{3}}).median(), 3);
}

TEST(BenchReportTest, TheCeilingIsTheBestWayToReadInTheRun) {
  BenchReport report = {.bandwidth_before = 30e9, .bandwidth_after = 20e9};
  EXPECT_DOUBLE_EQ(report.bandwidth(), 30e9) << "no processor's ceilings, as on a device";
  report.ceilings.reads = {{.streams = 1, .bytes_per_second = 25e9},
                           {.streams = 8, .prefetch = true, .bytes_per_second = 36e9}};
  EXPECT_DOUBLE_EQ(report.bandwidth(), 36e9);
  EXPECT_EQ(BenchReport().bandwidth(), 0);
}

TEST(BenchMemoryTest, OnlyKeysAndValuesThatAreSurelyResidentAreLeftOut) {
  BenchMemory memory = {.peak_after_load = 900, .peak = 1000, .kv = 300, .kv_used = 80};
  EXPECT_EQ(memory.peak_without_kv(), 920);
  memory.kv_used = 250;
  EXPECT_EQ(memory.peak_without_kv(), 900) << "loading took that much before there were any";
}

}  // namespace
}  // namespace llmrt::cli
