#include "engine/log_ring.h"

#include <gtest/gtest.h>

#include <new>
#include <string>

namespace llmrt::engine {
namespace {

TEST(LogRingTest, RecordsComeInOrderOnceEach) {
  LogRing ring(LogLevel::kDebug);
  ring.Add(LogLevel::kInfo, [&] { return std::string("first"); });
  ring.Add(LogLevel::kError, [&] { return std::string("second"); });
  EXPECT_EQ(ring.Poll(100)->text, "first");
  const auto second = ring.Poll(100);
  EXPECT_EQ(second->text, "second");
  EXPECT_EQ(second->sequence, 1);
  EXPECT_EQ(second->level, LogLevel::kError);
  EXPECT_EQ(ring.Poll(100).status().code(), absl::StatusCode::kNotFound);
}

TEST(LogRingTest, LevelsAboveTheKeptOneAreDropped) {
  LogRing ring(LogLevel::kWarning);
  ring.Add(LogLevel::kInfo, [&] { return std::string("chatter"); });
  ring.Add(LogLevel::kWarning, [&] { return std::string("matters"); });
  EXPECT_EQ(ring.Poll(100)->text, "matters");
  EXPECT_FALSE(ring.Poll(100).ok());
}

TEST(LogRingTest, AFullRingLosesTheOldestAndTheGapShows) {
  LogRing ring(LogLevel::kDebug);
  for (int i = 0; i < LogRing::kCapacity + 10; ++i) {
    ring.Add(LogLevel::kInfo, [&] { return std::string(std::to_string(i)); });
  }
  const auto oldest = ring.Poll(100);
  EXPECT_EQ(oldest->text, "10");
  EXPECT_EQ(oldest->sequence, 10);
}

TEST(LogRingTest, ARecordThatDoesNotFitStays) {
  LogRing ring(LogLevel::kDebug);
  ring.Add(LogLevel::kInfo, [&] { return std::string("twelve bytes"); });
  EXPECT_EQ(ring.Poll(11)->text.size(), 12u);
  EXPECT_EQ(ring.Poll(12)->text, "twelve bytes");
  EXPECT_FALSE(ring.Poll(12).ok());
}

TEST(LogRingTest, ARecordThatFindsNoMemoryIsDropped) {
  LogRing ring(LogLevel::kInfo);
  ring.Add(LogLevel::kInfo, []() -> std::string { throw std::bad_alloc(); });
  EXPECT_EQ(ring.Poll(100).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace llmrt::engine
