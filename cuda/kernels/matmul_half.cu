// Matrix products of float16 weights and activations: the class float16-mma-16 of matmul.h, in the
// layouts of matmul_mma.cuh.
#include "cuda/kernels/matmul_mma.cuh"

namespace llmrt::cuda {

LLMRT_KERNEL(MatMulHalf8Kernel, MatMulArgs, kWarpLanes* kMatMulNarrowWarpsMax) {
  NarrowMatMul<Half>(args);
}
LLMRT_KERNEL(MatMulHalf32Kernel, MatMulArgs, kMatMulWideThreads) { WideMatMul<Half, 32>(args); }
LLMRT_KERNEL(MatMulHalf64Kernel, MatMulArgs, kMatMulWideThreads) { WideMatMul<Half, 64>(args); }

}  // namespace llmrt::cuda
