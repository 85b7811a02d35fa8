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
  uint32_t* in = Device(Count(192));
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* out = Device(std::vector<uint32_t>(192));
    ASSERT_EQ(Run("ReverseKernel", 3, 64, {in, out, 0, 1}), cuda::kCuSuccess);
    EXPECT_NE(Words(out, 192), Reversed(192)) << seed;
  }
}

TEST_F(BlockTest, ABarrierThatSomeWarpsNeverReachFailsTheLaunch) {
  uint32_t* in = Device(Count(64));
  EXPECT_EQ(Run("ReverseKernel", 1, 64, {in, in, 0, 2}), cuda::kCuLaunchFailed);
  EXPECT_NE(message().find("SyncBlock at test_kernels.cu:"), std::string::npos) << message();
  EXPECT_NE(message().find("1 warps ended without it"), std::string::npos) << message();
}

TEST_F(BlockTest, ABarrierThatSomeLanesNeverReachFailsTheLaunch) {
  uint32_t* in = Device(Count(64));
  EXPECT_EQ(Run("ReverseKernel", 1, 64, {in, in, 0, 3}), cuda::kCuLaunchFailed);
  EXPECT_NE(message().find("16 lanes of this warp ended without it"), std::string::npos)
      << message();
}

}  // namespace
}  // namespace llmrt::cuda_host
