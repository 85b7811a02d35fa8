// Attention over a float16 cache, for 8 or 32 columns a block (attention_mma.cuh).
#include "cuda/kernels/attention_mma.cuh"

namespace llmrt::cuda {

LLMRT_KERNEL(AttentionHalf8Kernel, AttentionArgs, AttentionThreads(8)) { Attention<Half, 8>(args); }
LLMRT_KERNEL(AttentionHalf32Kernel, AttentionArgs, AttentionThreads(32)) {
  Attention<Half, 32>(args);
}

}  // namespace llmrt::cuda
