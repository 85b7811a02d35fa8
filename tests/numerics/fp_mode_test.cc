#include "numerics/fp_mode.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <thread>

namespace llmrt::numerics {
namespace {

#if defined(__x86_64__) || defined(__aarch64__)

// Values that the optimizer cannot fold.
volatile float g_third = 1.0f / 3.0f;
volatile float g_tiny = 0x1p-140f;
volatile float g_one = 1.0f;

#if defined(__x86_64__)
// Rounding up with denormals kept; toward zero with everything flushed; the default with sticky
// flags set.
constexpr uint64_t kOddModes[] = {0x5f80, 0xffc0, 0x1fbf, 0x3f80, 0x1f80};
#else
constexpr uint64_t kOddModes[] = {uint64_t{1} << 22, uint64_t{3} << 22 | uint64_t{1} << 24, 0};
#endif

TEST(FpModeTest, RestoresEveryOddModeOfTheHost) {
  const uint64_t before = ScopedFpMode::Read();
  for (uint64_t mode : kOddModes) {
    ScopedFpMode::Write(mode);
    {
      ScopedFpMode scoped;
      // Raises "inexact" and "underflow" inside: the host's sticky flags come back as they were.
      volatile float product = g_third * g_third * g_tiny;
      (void)product;
    }
    const uint64_t after = ScopedFpMode::Read();
    ScopedFpMode::Write(before);
    EXPECT_EQ(after, mode);
  }
}

TEST(FpModeTest, InsideDenormalsAreFlushedAndRoundingIsToNearest) {
  const uint64_t before = ScopedFpMode::Read();
  ScopedFpMode::Write(kOddModes[0]);
  volatile float flushed_input, flushed_result, rounded;
  {
    ScopedFpMode scoped;
    flushed_input = g_tiny * 0x1p100f;
    flushed_result = g_one * 0x1p-100f * 0x1p-40f;
    rounded = g_one + 0x1p-25f;
  }
  volatile float kept = g_tiny * 0x1p100f;
  volatile float rounded_up = g_one + 0x1p-25f;
  ScopedFpMode::Write(before);
  EXPECT_EQ(flushed_input, 0.0f);
  EXPECT_EQ(flushed_result, 0.0f);
  EXPECT_EQ(rounded, 1.0f);
  EXPECT_EQ(kept, 0x1p-40f);
  EXPECT_GT(rounded_up, 1.0f);
}

TEST(FpModeTest, UnmaskedExceptionsOfTheHostDoNotTrapInside) {
#if defined(__x86_64__)
  const uint64_t before = ScopedFpMode::Read();
  ScopedFpMode::Write(0x0000);  // every exception traps
  uint64_t inside;
  {
    ScopedFpMode scoped;
    volatile float quotient = g_one / (g_one - g_one);
    (void)quotient;
    inside = ScopedFpMode::Read();
  }
  ScopedFpMode::Write(before);
  EXPECT_EQ(inside & 0x1f80, 0x1f80u);
#else
  GTEST_SKIP() << "trapping exceptions are optional on this architecture";
#endif
}

TEST(FpModeTest, OtherThreadsKeepTheirMode) {
  const uint64_t before = ScopedFpMode::Read();
  ScopedFpMode scoped;
  uint64_t other = 0;
  std::thread([&other] {
    ScopedFpMode::Write(kOddModes[0]);
    other = ScopedFpMode::Read();
  }).join();
  EXPECT_EQ(other, kOddModes[0]);
  EXPECT_EQ(ScopedFpMode::Read() & ~uint64_t{0x3f}, ScopedFpMode::kComputeMode);
  (void)before;
}

#endif

}  // namespace
}  // namespace llmrt::numerics
