#include "cpu/read_bandwidth.h"

#include <chrono>

#include "gtest/gtest.h"

namespace llmrt::cpu {
namespace {

TEST(ReadBandwidthTest, IsPlausibleAndSoonDone) {
  auto pool = ThreadPool::Create(2).value();
  const auto begin = std::chrono::steady_clock::now();
  const double bandwidth = MeasureReadBandwidth(*pool);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  // From a sanitizer on a busy machine to caches of a large one.
  EXPECT_GT(bandwidth, 1e7);
  EXPECT_LT(bandwidth, 1e13);
  EXPECT_LT(took.count(), 20.0) << "about 0.1 s where nothing else runs";
}

}  // namespace
}  // namespace llmrt::cpu
