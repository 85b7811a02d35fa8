// Matrix products of bfloat16 weights and activations: the class bfloat16-mma-16 of matmul.h, in
// the layouts of matmul_mma.cuh.
#include "cuda/kernels/matmul_mma.cuh"

namespace llmrt::cuda {

LLMRT_KERNEL(MatMulBFloat8Kernel, MatMulArgs, kWarpLanes* kMatMulNarrowWarpsMax) {
  NarrowMatMul<BFloat16>(args);
}
LLMRT_KERNEL(MatMulBFloat32Kernel, MatMulArgs, kMatMulWideThreads) {
  WideMatMul<BFloat16, 32>(args);
}
LLMRT_KERNEL(MatMulBFloat64Kernel, MatMulArgs, kMatMulWideThreads) {
  WideMatMul<BFloat16, 64>(args);
}

}  // namespace llmrt::cuda
