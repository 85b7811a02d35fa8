// The reading kernel: every word is added up exactly once, by the thread that it belongs to.
#include "cuda/kernels/read_bandwidth.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/cuda/kernels/kernel_case.h"

namespace llmrt::cuda {
namespace {

constexpr uint32_t kPoison = 0xa5a5a5a5u;
constexpr uint32_t kBlocks = 2;
constexpr int64_t kGridThreads = kBlocks * kReadBandwidthThreads;
// A round of eight words a thread, one more of a part of them, and a few.
constexpr int64_t kWords = kGridThreads * 11 + 37;

// What the kernel leaves where nothing but `ones` (numbers of 32-bit values) are 1.
uint32_t SumOf(int64_t words, const std::vector<int64_t>& ones) {
  std::vector<uint32_t> values(words * 4);
  for (const int64_t one : ones) ++values[one];
  DeviceArray<uint32_t> data(values), out(std::vector<uint32_t>{kPoison});
  const ReadBandwidthArgs args = {
      .data = reinterpret_cast<const uint8_t*>(data.get()), .words = words, .out = out.get()};
  Launch(KernelId::kReadBandwidthKernel, {.grid_x = kBlocks, .threads = kReadBandwidthThreads},
         args);
  return out.Download()[0];
}

TEST(ReadBandwidthKernelTest, EveryWordIsRead) {
  ForSeeds([](uint64_t) {
    // A value of each quarter of a word, in each of a thread's reads.
    for (int64_t read = 0; read * kGridThreads < kWords; ++read) {
      const int64_t word = std::min(kWords - 1, read * kGridThreads + read * 91 % kGridThreads);
      EXPECT_EQ(SumOf(kWords, {word * 4 + read % 4}), 1u) << read;
    }
    // The first and last word of a block, of the grid, and of everything.
    for (const int64_t word :
         {int64_t{0}, int64_t{kReadBandwidthThreads - 1}, int64_t{kReadBandwidthThreads},
          kGridThreads - 1, kGridThreads, kGridThreads + 1, kWords - 1}) {
      EXPECT_EQ(SumOf(kWords, {word * 4 + 3}), 1u) << word;
    }
    EXPECT_EQ(SumOf(1, {2}), 1u);
  });
}

TEST(ReadBandwidthKernelTest, NothingIsStoredForOtherSums) {
  ForSeeds([](uint64_t) {
    EXPECT_EQ(SumOf(kWords, {}), kPoison);
    // Two ones of one thread, in different reads and in one.
    EXPECT_EQ(SumOf(kWords, {20, 20 + 9 * kGridThreads * 4}), kPoison);
    EXPECT_EQ(SumOf(kWords, {20, 23}), kPoison);
    EXPECT_EQ(SumOf(0, {}), kPoison);
  });
}

TEST(ReadBandwidthKernelTest, ThreadsSumApart) {
  ForSeeds([](uint64_t) {
    EXPECT_EQ(SumOf(kWords, {20, 24}), 1u);
    EXPECT_EQ(SumOf(kWords, {20, 20 + kReadBandwidthThreads * 4}), 1u);
  });
}

}  // namespace
}  // namespace llmrt::cuda
