#include "cpu/read_bandwidth.h"

#include <chrono>
#include <cstdint>
#include <set>
#include <utility>

#include "cpu/cpu_features.h"
#include "gtest/gtest.h"

namespace llmrt::cpu {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(ReadBandwidthTest, TheBufferIsFourTimesTheCacheOrNothing) {
  constexpr int64_t kPlenty = int64_t{1} << 40;
  EXPECT_EQ(BandwidthBufferBytes(32 * kMiB, kPlenty), 128 * kMiB);
  EXPECT_EQ(BandwidthBufferBytes(384 * kMiB, kPlenty), 1536 * kMiB);
  EXPECT_EQ(BandwidthBufferBytes(512 * kMiB, kPlenty), 2048 * kMiB);
  EXPECT_EQ(BandwidthBufferBytes(513 * kMiB, kPlenty), 0) << "would not be soon done";
  EXPECT_EQ(BandwidthBufferBytes(1 * kMiB, kPlenty), 32 * kMiB) << "too little to time";
  EXPECT_EQ(BandwidthBufferBytes(0, kPlenty), 0) << "an unknown cache could hold anything";
  EXPECT_EQ(BandwidthBufferBytes(32 * kMiB, 512 * kMiB), 128 * kMiB);
  EXPECT_EQ(BandwidthBufferBytes(32 * kMiB, 512 * kMiB - 4), 0) << "more than a quarter";
  EXPECT_EQ(BandwidthBufferBytes(32 * kMiB, 0), 0);
  EXPECT_GE(BandwidthBufferBytes(33 * kMiB + 1, kPlenty), 4 * (33 * kMiB + 1));
  EXPECT_EQ(BandwidthBufferBytes(INT64_MAX, kPlenty), 0);
}

// The measurement, where this machine allows one.
TEST(ReadBandwidthTest, IsPlausibleAndSoonDone) {
  auto pool = ThreadPool::Create(2).value();
  memory::LargeMemory memory(0);
  const auto begin = std::chrono::steady_clock::now();
  const double bandwidth = MeasureReadBandwidth(*pool, memory);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const int64_t bytes = BandwidthBufferBytes(LastLevelCacheBytes(), AvailableMemoryBytes());
  EXPECT_EQ(memory.peak_bytes(), bytes) << "all of it is counted";
  EXPECT_EQ(memory.used_bytes(), 0) << "and given back";
  EXPECT_LT(took.count(), 20.0) << "2 s, but for tasks that the system keeps waiting";
  if (bytes == 0) GTEST_SKIP() << "cache " << LastLevelCacheBytes() << ", nothing to measure with";
  // From a sanitizer on a busy machine to the memory of a large one.
  EXPECT_GT(bandwidth, 1e7);
  EXPECT_LT(bandwidth, 1e13);
  RecordProperty("gigabytes_per_second", static_cast<int>(bandwidth / 1e9));
}

TEST(ReadBandwidthTest, EveryPatternIsMeasuredOnce) {
  auto pool = ThreadPool::Create(2).value();
  memory::LargeMemory memory(0);
  const std::vector<ReadRate> rates = MeasureReadRates(*pool, memory, std::chrono::milliseconds(1));
  if (rates.empty()) GTEST_SKIP() << "nothing to measure with, or a machine too busy";
  std::set<std::pair<int, bool>> patterns;
  for (const ReadRate& rate : rates) {
    patterns.insert({rate.pattern.streams, rate.pattern.prefetch});
    EXPECT_GT(rate.bytes_per_second, 1e7) << rate.pattern.streams;
    EXPECT_LT(rate.bytes_per_second, 1e13) << rate.pattern.streams;
  }
  EXPECT_EQ(rates.size(), 8u);
  EXPECT_EQ(patterns.size(), 8u);
  EXPECT_TRUE(patterns.contains({1, false}) && patterns.contains({16, true}));
}

TEST(ReadBandwidthTest, AMemoryWithoutRoomIsUnknown) {
  auto pool = ThreadPool::Create(1).value();
  memory::LargeMemory memory(1 * kMiB);
  EXPECT_TRUE(MeasureReadRates(*pool, memory, std::chrono::milliseconds(1)).empty());
  EXPECT_EQ(MeasureReadBandwidth(*pool, memory), 0);
  EXPECT_EQ(memory.used_bytes(), 0);
}

}  // namespace
}  // namespace llmrt::cpu
