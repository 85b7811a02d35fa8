#include "cuda/device/device.h"
#include "cuda_host/test_kernels.h"

namespace llmrt::cuda {

LLMRT_DEVICE uint32_t* SharedWords() { return reinterpret_cast<uint32_t*>(SharedMemory()); }

// out[i] = in[block's threads reversed]: neighbours in other warps are read after a barrier, which
// mistake 1 leaves out, mistake 2 makes in one half of the warps only, mistake 3 in one half of
// each warp.
LLMRT_KERNEL(ReverseKernel, TestArgs, 256) {
  const uint32_t i = ThreadIndex();
  const uint32_t base = BlockIndex().x * BlockThreads();
  Store(SharedWords() + i, Load(args.in + base + i));
  if (args.wrong == 2) {
    if (WarpIndex() % 2 == 0) SyncBlock();
  } else if (args.wrong == 3) {
    if (LaneIndex() % 2 == 0) SyncBlock();
  } else if (args.wrong != 1) {
    SyncBlock();
  }
  Store(args.out + base + i, Load(SharedWords() + BlockThreads() - 1 - i));
}

}  // namespace llmrt::cuda
