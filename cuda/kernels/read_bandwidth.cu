// Adds up words of 16 bytes (read_bandwidth.h). Eight reads of a thread are under way at a time:
// enough to wait for the memory's width and not for its latency. No shared memory.
#include "cuda/device/device.h"
#include "cuda/kernels/read_bandwidth.h"

namespace llmrt::cuda {
namespace {

constexpr int kReadsAtOnce = 8;
using Word = Vector<uint32_t, 4>;

LLMRT_DEVICE uint32_t Sum(const Word& word) {
  return word.values[0] + word.values[1] + word.values[2] + word.values[3];
}

}  // namespace

LLMRT_KERNEL(ReadBandwidthKernel, ReadBandwidthArgs, kReadBandwidthThreads) {
  const Word* words = reinterpret_cast<const Word*>(args.data);
  const int64_t threads = int64_t{GridSizeX()} * BlockThreads();
  int64_t i = int64_t{BlockIndexX()} * BlockThreads() + ThreadIndex();
  uint32_t sum = 0;
  for (; i + (kReadsAtOnce - 1) * threads < args.words; i += kReadsAtOnce * threads) {
    Word read[kReadsAtOnce];
    for (int j = 0; j < kReadsAtOnce; ++j) read[j] = Load(words + i + j * threads);
    for (int j = 0; j < kReadsAtOnce; ++j) sum += Sum(read[j]);
  }
  for (; i < args.words; i += threads) sum += Sum(Load(words + i));
  if (sum == 1) Store(args.out, sum);
}

}  // namespace llmrt::cuda
