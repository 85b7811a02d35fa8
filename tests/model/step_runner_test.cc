// The tests' own tool: what it leaves out, no test of this layer and those above would miss.
#include "tests/model/step_runner.h"

#include <gtest/gtest.h>

#include "tests/cpu/tiers_by_system.h"

namespace llmrt::testing {
namespace {

TEST(StepRunnerTest, TiersAreAllThatTheSystemSaysTheProcessorHas) {
  const std::set<std::string> flags = cpu::ProcessorFlags();
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo names no flags here";
  EXPECT_EQ(TiersHere(), cpu::TiersOfFlags(flags));
}

}  // namespace
}  // namespace llmrt::testing
