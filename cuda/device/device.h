// The machine as kernels see it: the only header through which a kernel touches threads, memory,
// barriers and matrix units. With nvcc the names below are PTX or built-ins (device_gpu.h); with a
// host compiler they are an emulation that tests bring along (tests/cuda_host/device_host.h), so
// the same kernel sources run under sanitizers, in any order of warps, with faults planted.
//
// Rules that keep both sides the same function:
//   - Blocks are one-dimensional: a multiple of 32 threads.
//   - Every read and write of global and shared memory goes through Load and Store (or the copies
//     and matrix loads below): an access is as wide as its type and aligned to that width.
//   - All shared memory is dynamic: SharedMemory() is its start, aligned to 128 bytes.
//   - Warp functions are called by all 32 lanes together. What lanes of a warp or a block pass to
//     one another through memory needs SyncWarp or SyncBlock between.
//   - Arithmetic is IEEE operations, numerics::Fma and the functions of src/numerics; compiled with
//     -fmad=false -ftz=true, as processors run with denormals off (numerics/fp_mode.h).
//
// The functions:
//
//   uint32_t ThreadIndex(), BlockThreads(), LaneIndex(), WarpIndex()
//   uint32_t BlockIndexX(), BlockIndexY(), BlockIndexZ(), GridSizeX(), GridSizeY(), GridSizeZ()
//   T Load(const T* p)            T of 1, 2, 4, 8 or 16 bytes
//   void Store(T* p, T value)
//   uint8_t* SharedMemory()
//   void SyncBlock(), SyncWarp()
//   void AwaitEarlierGrids()      with programmatic dependent launch: until their results are there
//   void ReleaseLaterGrids()      lets them start while this one still runs
//   T ShuffleXor(T value, uint32_t lane_mask)                 T of 4 or 8 bytes
//   T ShuffleFrom(T value, uint32_t source_lane)
//   uint32_t Ballot(bool predicate)
//   void CopyAsync16(void* shared, const void* global, bool valid)   16 bytes, zeros if not valid
//   void CommitCopies()           closes a group of this thread's copies
//   void WaitCopies<N>()          until all but the N newest groups of this thread have landed
//   void LoadMatrices4(uint32_t (&out)[4], const void* shared_row)   ldmatrix.x4 of 8 x 8 16-bit
//   void LoadMatrices4Transposed(...)                         values: lane l names the row l % 8 of
//   void LoadMatrices2(uint32_t (&out)[2], const void* shared_row)   matrix l / 8 (x2: lanes 0-15)
//   void LoadMatrices2Transposed(...)
//   void MultiplyAccumulate<Element>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
//                                 d += A B: mma.m16n8k16, A [16, 16] by rows, B [16, 8] by columns
//   uint32_t PackPair<Element>(float low, float high)         rounded to nearest even
//
// Element is Half or BFloat16. Fragments lie in registers as PTX says; with g = lane / 4, t = lane
// % 4:
//   a[0] = A[g][2t, 2t+1], a[1] = A[g+8][2t, 2t+1], a[2] = A[g][2t+8, 2t+9], a[3] = A[g+8][2t+8,
//   2t+9] b[0] = B[2t, 2t+1][g], b[1] = B[2t+8, 2t+9][g] d[0], d[1] = D[g][2t, 2t+1], d[2], d[3] =
//   D[g+8][2t, 2t+1]
//
// A kernel is LLMRT_KERNEL(Name, Args, threads) { body, which sees `args` }, threads being the most
// that a block may have: one trivially copyable struct of arguments, so that a launch is a name, a
// shape and some bytes.
#pragma once

#include <cstdint>

#include "numerics/float_types.h"
#include "numerics/host_device.h"

namespace llmrt::cuda {

struct Half {};      // float16
struct BFloat16 {};  // bfloat16

// N values that are moved as one.
template <typename T, int N>
struct alignas(sizeof(T) * N) Vector {
  T values[N];
};

inline constexpr uint32_t kWarpLanes = 32;

}  // namespace llmrt::cuda

#if defined(__CUDACC__)
#include "cuda/device/device_gpu.h"
#else
#include "cuda_host/device_host.h"
#endif
