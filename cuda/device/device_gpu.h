// device.h for the GPU: PTX and built-ins, one instruction a function where the machine has one.
// Needs compute capability 8.0.
#pragma once

#include <cstdint>

#include "cuda/device/device.h"

#define LLMRT_DEVICE __device__ __forceinline__
#define LLMRT_KERNEL(name, Args, threads) \
  extern "C" __global__ void __launch_bounds__(threads) name(const __grid_constant__ Args args)

namespace llmrt::cuda {

LLMRT_DEVICE uint32_t ThreadIndex() { return threadIdx.x; }
LLMRT_DEVICE uint32_t BlockThreads() { return blockDim.x; }
LLMRT_DEVICE uint32_t LaneIndex() { return threadIdx.x % kWarpLanes; }
LLMRT_DEVICE uint32_t WarpIndex() { return threadIdx.x / kWarpLanes; }
LLMRT_DEVICE uint32_t BlockIndexX() { return blockIdx.x; }
LLMRT_DEVICE uint32_t BlockIndexY() { return blockIdx.y; }
LLMRT_DEVICE uint32_t BlockIndexZ() { return blockIdx.z; }
LLMRT_DEVICE uint32_t GridSizeX() { return gridDim.x; }
LLMRT_DEVICE uint32_t GridSizeY() { return gridDim.y; }
LLMRT_DEVICE uint32_t GridSizeZ() { return gridDim.z; }

template <typename T>
LLMRT_DEVICE T Load(const T* p) {
  return *p;
}
template <typename T>
LLMRT_DEVICE void Store(T* p, T value) {
  *p = value;
}

LLMRT_DEVICE uint8_t* SharedMemory() {
  extern __shared__ __align__(128) uint8_t shared_memory[];
  return shared_memory;
}

LLMRT_DEVICE void SyncBlock() { __syncthreads(); }
LLMRT_DEVICE void SyncWarp() { __syncwarp(); }

template <typename T>
LLMRT_DEVICE T ShuffleXor(T value, uint32_t lane_mask) {
  return __shfl_xor_sync(0xffffffffu, value, static_cast<int>(lane_mask));
}
template <typename T>
LLMRT_DEVICE T ShuffleFrom(T value, uint32_t source_lane) {
  return __shfl_sync(0xffffffffu, value, static_cast<int>(source_lane));
}
LLMRT_DEVICE uint32_t Ballot(bool predicate) { return __ballot_sync(0xffffffffu, predicate); }

// Before 9.0 grids of a stream do not overlap.
LLMRT_DEVICE void AwaitEarlierGrids() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
LLMRT_DEVICE void ReleaseLaterGrids() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

LLMRT_DEVICE uint32_t SharedAddress(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

LLMRT_DEVICE void CopyAsync16(void* shared, const void* global, bool valid) {
  // Bytes beyond the source's size are written as zeros; with size 0 nothing is read.
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(SharedAddress(shared)),
               "l"(global), "r"(valid ? 16 : 0)
               : "memory");
}
LLMRT_DEVICE void CommitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N>
LLMRT_DEVICE void WaitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

LLMRT_DEVICE void LoadMatrices4(uint32_t (&out)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(SharedAddress(shared_row))
               : "memory");
}
LLMRT_DEVICE void LoadMatrices4Transposed(uint32_t (&out)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(SharedAddress(shared_row))
               : "memory");
}
LLMRT_DEVICE void LoadMatrices2(uint32_t (&out)[2], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(out[0]), "=r"(out[1])
               : "r"(SharedAddress(shared_row))
               : "memory");
}
LLMRT_DEVICE void LoadMatrices2Transposed(uint32_t (&out)[2], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(out[0]), "=r"(out[1])
               : "r"(SharedAddress(shared_row))
               : "memory");
}

template <typename Element>
LLMRT_DEVICE void MultiplyAccumulate(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

template <>
LLMRT_DEVICE void MultiplyAccumulate<Half>(float (&d)[4], const uint32_t (&a)[4],
                                           const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
LLMRT_DEVICE void MultiplyAccumulate<BFloat16>(float (&d)[4], const uint32_t (&a)[4],
                                               const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <typename Element>
LLMRT_DEVICE uint32_t PackPair(float low, float high);

template <>
LLMRT_DEVICE uint32_t PackPair<Half>(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
template <>
LLMRT_DEVICE uint32_t PackPair<BFloat16>(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

}  // namespace llmrt::cuda
