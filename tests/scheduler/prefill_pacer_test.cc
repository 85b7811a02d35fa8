#include "scheduler/prefill_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "scheduler/scheduler.h"

namespace llmrt::scheduler {
namespace {

constexpr int64_t kRowsMax = 512;

// What a step takes on a machine that needs `decode_us` for its decode rows and `row_us` for each
// of a prompt.
struct Machine {
  double decode_us = 0;
  double row_us = 0;

  double Step(PrefillPacer& pacer, int64_t decode_rows, int64_t prefill_rows) const {
    const double us =
        (decode_rows > 0 ? decode_us : 0) + row_us * static_cast<double>(prefill_rows);
    pacer.Observe(decode_rows, prefill_rows, us);
    return us;
  }
};

TEST(PrefillPacerTest, WithoutATargetPromptsTakeTheWholeStep) {
  PrefillPacer pacer(0, kRowsMax);
  EXPECT_EQ(pacer.PrefillRows(), kRowsMax);
  Machine{100, 50}.Step(pacer, 4, 100);
  EXPECT_EQ(pacer.PrefillRows(), kRowsMax);
}

TEST(PrefillPacerTest, BeforeItKnowsAnythingPromptsTakeTheLeast) {
  EXPECT_EQ(PrefillPacer(20000, kRowsMax).PrefillRows(), kPrefillRowsMin);
  EXPECT_EQ(PrefillPacer(20000, 4).PrefillRows(), 4);
}

TEST(PrefillPacerTest, RowsFillTheTimeThatDecodingLeaves) {
  PrefillPacer pacer(20000, kRowsMax);
  const Machine machine = {5000, 100};
  machine.Step(pacer, 4, 0);
  machine.Step(pacer, 4, 20);
  EXPECT_DOUBLE_EQ(pacer.row_us(), 100);
  EXPECT_EQ(pacer.PrefillRows(), 150);
}

TEST(PrefillPacerTest, StepsMeetTheTargetThoughDecodingIsNeverSeenAlone) {
  PrefillPacer pacer(20000, kRowsMax);
  const Machine machine = {5000, 100};
  double us = 0;
  for (int i = 0; i < 100; ++i) us = machine.Step(pacer, 4, pacer.PrefillRows());
  EXPECT_NEAR(us, 20000, 500);
}

TEST(PrefillPacerTest, PromptsMoveWhereTheTargetCannotBeMet) {
  PrefillPacer pacer(1000, kRowsMax);
  const Machine machine = {5000, 100};
  for (int i = 0; i < 20; ++i) {
    machine.Step(pacer, 4, 0);
    machine.Step(pacer, 4, pacer.PrefillRows());
    EXPECT_EQ(pacer.PrefillRows(), kPrefillRowsMin);
  }
}

TEST(PrefillPacerTest, RowsNeverExceedThoseOfAStep) {
  PrefillPacer pacer(1000000000, kRowsMax);
  Machine{10, 1}.Step(pacer, 0, 100);
  EXPECT_EQ(pacer.PrefillRows(), kRowsMax);
  EXPECT_EQ(pacer.RowsIn(std::numeric_limits<double>::infinity()), kRowsMax);
  EXPECT_EQ(pacer.RowsIn(-1), 0);
  EXPECT_EQ(pacer.RowsIn(50), 50);
}

TEST(PrefillPacerTest, RowsInIsUnboundedWhereNothingIsKnown) {
  EXPECT_EQ(PrefillPacer(1000, kRowsMax).RowsIn(1), kRowsMax);
}

TEST(PrefillPacerTest, ShortChunksSayNothingAboutARow) {
  PrefillPacer pacer(20000, kRowsMax);
  pacer.Observe(0, 7, 7000);
  EXPECT_EQ(pacer.row_us(), 0);
  pacer.Observe(0, 8, 800);
  EXPECT_DOUBLE_EQ(pacer.row_us(), 100);
}

TEST(PrefillPacerTest, FollowsAMachineThatBecomesSlow) {
  PrefillPacer pacer(20000, kRowsMax);
  for (int i = 0; i < 20; ++i) Machine{5000, 50}.Step(pacer, 4, i % 2 == 0 ? 0 : 100);
  EXPECT_NEAR(static_cast<double>(pacer.PrefillRows()), 300, 5);
  for (int i = 0; i < 60; ++i) Machine{10000, 100}.Step(pacer, 4, i % 2 == 0 ? 0 : 100);
  EXPECT_NEAR(static_cast<double>(pacer.PrefillRows()), 100, 5);
}

// Once decoding alone took longer than the target. Since then there have always been prompts, so it
// is never seen alone again.
TEST(PrefillPacerTest, RecoversFromABusyTimeUnderPromptsThatNeverCease) {
  PrefillPacer pacer(20000, kRowsMax);
  Machine{5000, 100}.Step(pacer, 4, 20);
  for (int i = 0; i < 20; ++i) Machine{90000, 100}.Step(pacer, 4, 0);
  EXPECT_EQ(pacer.PrefillRows(), kPrefillRowsMin);
  double us = 0;
  double longest = 0;
  for (int i = 0; i < 100; ++i) {
    us = Machine{5000, 100}.Step(pacer, 4, pacer.PrefillRows());
    longest = std::max(longest, us);
  }
  EXPECT_NEAR(us, 20000, 1000);
  // Neither did it take rows for free in the meantime.
  EXPECT_LT(longest, 30000);
}

}  // namespace
}  // namespace llmrt::scheduler
