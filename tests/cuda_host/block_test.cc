// Barriers and the order of threads.
#include "cuda_host/block.h"

#include <numeric>

#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

using BlockTest = EmulationTest;

std::vector<uint32_t> Count(uint32_t n) {
  std::vector<uint32_t> words(n);
  std::iota(words.begin(), words.end(), 0u);
  return words;
}

// Each block of 64 reversed.
std::vector<uint32_t> Reversed(uint32_t n) {
  std::vector<uint32_t> words(n);
  for (uint32_t i = 0; i < n; ++i) words[i] = i / 64 * 64 + 63 - i % 64;
  return words;
}

TEST_F(BlockTest, ThreadsMeetAtABarrierInEveryOrder) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* in = Device(Count(192));
    uint32_t* out = Device(std::vector<uint32_t>(192));
    ASSERT_EQ(Run("ReverseKernel", 3, 64, {in, out}), cuda::kCuSuccess) << message();
    ASSERT_EQ(Words(out, 192), Reversed(192)) << seed;
  }
}

TEST_F(BlockTest, AMissingBarrierShowsInEveryOfTwentyOrders) {
  llmrt_emulation_detect_races(0);
  uint32_t* in = Device(Count(192));
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* out = Device(std::vector<uint32_t>(192));
    ASSERT_EQ(Run("ReverseKernel", 3, 64, {in, out, 0, 1}), cuda::kCuSuccess);
    EXPECT_NE(Words(out, 192), Reversed(192)) << seed;
  }
}

TEST_F(BlockTest, ABarrierThatSomeWarpsNeverReachFailsTheLaunch) {
  llmrt_emulation_detect_races(0);
  uint32_t* in = Device(Count(64));
  EXPECT_EQ(Run("ReverseKernel", 1, 64, {in, in, 0, 2}), cuda::kCuLaunchFailed);
  EXPECT_NE(message().find("SyncBlock at test_kernels.cu:"), std::string::npos) << message();
  EXPECT_NE(message().find("1 warps ended without it"), std::string::npos) << message();
}

TEST_F(BlockTest, ABarrierThatSomeLanesNeverReachFailsTheLaunch) {
  llmrt_emulation_detect_races(0);
  uint32_t* in = Device(Count(64));
  EXPECT_EQ(Run("ReverseKernel", 1, 64, {in, in, 0, 3}), cuda::kCuLaunchFailed);
  EXPECT_NE(message().find("16 lanes of this warp ended without it"), std::string::npos)
      << message();
}

TEST_F(BlockTest, WarpsInDifferentBarriersFailTheLaunch) {
  uint32_t* in = Device(Count(64));
  EXPECT_EQ(Run("ReverseKernel", 1, 64, {in, in, 0, 4}), cuda::kCuLaunchFailed);
  EXPECT_NE(message().find("warp 1 is in SyncBlock at"), std::string::npos) << message();
}

TEST_F(BlockTest, LanesOfAWarpMeetAtTheirBarrier) {
  uint32_t* in = Device(Count(64));
  std::vector<uint32_t> reversed(64);
  for (uint32_t i = 0; i < 64; ++i) reversed[i] = i / 32 * 32 + 31 - i % 32;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* out = Device(std::vector<uint32_t>(64));
    llmrt_emulation_detect_races(1);
    ASSERT_EQ(Run("ReverseWarpKernel", 1, 64, {in, out}), cuda::kCuSuccess) << message();
    llmrt_emulation_detect_races(0);
    EXPECT_EQ(Words(out, 64), reversed);
    ASSERT_EQ(Run("ReverseWarpKernel", 1, 64, {in, out, 0, 1}), cuda::kCuSuccess);
    EXPECT_NE(Words(out, 64), reversed) << seed;
  }
}

TEST_F(BlockTest, ThreadsKnowWhereTheyAre) {
  uint32_t* out = Device(std::vector<uint32_t>(2 * 3 * 2 * 64));
  cuda::CuFunction function = nullptr;
  ASSERT_EQ(driver_.module_function(&function, module_, "WhereKernel"), cuda::kCuSuccess);
  cuda::CuLaunchConfig config = {.grid_x = 2, .grid_y = 3, .grid_z = 2, .block_x = 64};
  config.block_y = config.block_z = 1;
  config.stream = stream_;
  cuda::TestArgs args = {nullptr, out, 0, 0};
  void* arguments[] = {&args};
  ASSERT_EQ(driver_.launch(&config, function, arguments, nullptr), cuda::kCuSuccess);
  ASSERT_EQ(Synchronize(), cuda::kCuSuccess) << message();
  const std::vector<uint32_t> words = Words(out, 2 * 3 * 2 * 64);
  for (uint32_t i = 0; i < words.size(); ++i) {
    const uint32_t thread = i % 64;
    const uint32_t block = i / 64;
    EXPECT_EQ(words[i], block % 2 | block / 2 % 3 << 4 | block / 6 << 8 | thread << 12 |
                            thread % 32 << 20 | thread / 32 << 28);
  }
}

// Blocks, warps and lanes come in another order with another seed, and in the same with the same.
TEST_F(BlockTest, TheSeedDecidesTheOrder) {
  const auto order = [this](uint64_t seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* count = Device({0});
    uint32_t* out = Device(std::vector<uint32_t>(4 * 64));
    EXPECT_EQ(Run("OrderKernel", 4, 64, {count, out}), cuda::kCuSuccess);
    return Words(out, 4 * 64);
  };
  const std::vector<uint32_t> first = order(1);
  EXPECT_EQ(order(1), first);
  EXPECT_NE(order(2), first);
  bool another_block_first = false, another_warp_first = false, another_lane_first = false;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const uint32_t one = order(seed)[0];
    another_block_first = another_block_first || one >> 16 != first[0] >> 16;
    another_warp_first = another_warp_first || (one ^ first[0]) >> 5 % 2 != 0;
    another_lane_first = another_lane_first || (one ^ first[0]) % 32 != 0;
  }
  EXPECT_TRUE(another_block_first && another_warp_first && another_lane_first);
}

// Each thread stops once: that may show all of one warp before the next, or warps mixed.
TEST_F(BlockTest, SometimesOneWarpRunsAheadOfTheOther) {
  int ahead = 0, mixed = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* count = Device({0});
    uint32_t* out = Device(std::vector<uint32_t>(64));
    ASSERT_EQ(Run("OrderKernel", 1, 64, {count, out}), cuda::kCuSuccess);
    const std::vector<uint32_t> words = Words(out, 64);
    int changes = 0;
    for (uint32_t i = 1; i < 64; ++i) changes += words[i] / 32 != words[i - 1] / 32;
    ahead += changes == 1;
    mixed += changes > 8;
  }
  EXPECT_GT(ahead, 3);
  EXPECT_GT(mixed, 3);
}

}  // namespace
}  // namespace llmrt::cuda_host
