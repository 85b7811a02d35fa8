// Every kernel, by the name of its function, and the source file (a module of its own) that it is
// in.
#pragma once

#include <cstdint>

namespace llmrt::cuda {

#define LLMRT_CUDA_KERNELS(X)                  \
  X(EmbedKernel, embed)                        \
  X(RmsNormKernel, rms_norm)                   \
  X(PrepareKernel, prepare)                    \
  X(RopeStoreKernel, rope_store)               \
  X(SwiGluKernel, swiglu)                      \
  X(MoveRowsKernel, move_rows)                 \
  X(MatMulFloat32Kernel, matmul_float32)       \
  X(MatMulHalf8Kernel, matmul_half)            \
  X(MatMulHalf32Kernel, matmul_half)           \
  X(MatMulHalf64Kernel, matmul_half)           \
  X(MatMulBFloat8Kernel, matmul_bfloat)        \
  X(MatMulBFloat32Kernel, matmul_bfloat)       \
  X(MatMulBFloat64Kernel, matmul_bfloat)       \
  X(AttentionFloat32Kernel, attention_float32) \
  X(AttentionHalf8Kernel, attention_half)      \
  X(AttentionHalf32Kernel, attention_half)     \
  X(AttentionBFloat8Kernel, attention_bfloat)  \
  X(AttentionBFloat32Kernel, attention_bfloat) \
  X(AttentionMergeKernel, attention_merge)     \
  X(DrawPartsKernel, draw)                     \
  X(DrawMergeKernel, draw)                     \
  X(ReadBandwidthKernel, read_bandwidth)

enum class KernelId : int32_t {
#define LLMRT_CUDA_KERNEL_ID(name, module) k##name,
  LLMRT_CUDA_KERNELS(LLMRT_CUDA_KERNEL_ID)
#undef LLMRT_CUDA_KERNEL_ID
      kCount
};

inline constexpr const char* kKernelNames[] = {
#define LLMRT_CUDA_KERNEL_NAME(name, module) #name,
    LLMRT_CUDA_KERNELS(LLMRT_CUDA_KERNEL_NAME)
#undef LLMRT_CUDA_KERNEL_NAME
};

inline constexpr const char* kKernelModules[] = {
#define LLMRT_CUDA_KERNEL_MODULE(name, module) #module,
    LLMRT_CUDA_KERNELS(LLMRT_CUDA_KERNEL_MODULE)
#undef LLMRT_CUDA_KERNEL_MODULE
};

inline constexpr int kKernelCount = static_cast<int>(KernelId::kCount);

}  // namespace llmrt::cuda
