// Attention over a bfloat16 cache, for 8 or 32 columns a block (attention_mma.cuh).
#include "cuda/kernels/attention_mma.cuh"

namespace llmrt::cuda {

LLMRT_KERNEL(AttentionBFloat8Kernel, AttentionArgs, AttentionThreads(8)) {
  Attention<BFloat16, 8>(args);
}
LLMRT_KERNEL(AttentionBFloat32Kernel, AttentionArgs, AttentionThreads(32)) {
  Attention<BFloat16, 32>(args);
}

}  // namespace llmrt::cuda
