#include "tools/cli/peak_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace llmrt::cli {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// So large that the C library gives it back to the system at once.
void Touch(int64_t bytes) {
  const auto memory = std::make_unique<char[]>(static_cast<size_t>(bytes));
  std::memset(memory.get(), 1, static_cast<size_t>(bytes));
  // The compiler must believe that somebody reads it.
  __asm__ volatile("" : : "r"(memory.get()) : "memory");
}

TEST(PeakMemoryTest, WhatWasGivenBackStillCounts) {
  const int64_t before = PeakMemoryBytes();
  if (before == 0) GTEST_SKIP() << "the system does not tell";
  ForgetPeakMemory();
  Touch(256 * kMiB);
  EXPECT_GE(PeakMemoryBytes(), 256 * kMiB);
}

TEST(PeakMemoryTest, APeakIsForgottenWhereTheSystemAllowsIt) {
  Touch(256 * kMiB);
  const int64_t before = PeakMemoryBytes();
  ForgetPeakMemory();
  const int64_t after = PeakMemoryBytes();
  if (after == before) GTEST_SKIP() << "the system counts from the start of the process";
  EXPECT_LE(after, before - 200 * kMiB);
}

}  // namespace
}  // namespace llmrt::cli
