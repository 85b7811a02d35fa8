// The probes' kernels: nothing but what they ask for.
#include "cuda/device/device.h"
#include "gpu/probe_kernels.h"
#include "gpu/probed_functions.h"

namespace llmrt::gpu {

using cuda::BFloat16;
using cuda::Half;
using cuda::Load;
using cuda::Store;

LLMRT_KERNEL(EmptyKernel, EmptyArgs, 1024) {
  if (args.never != nullptr) Store(args.never, 1u);
}

LLMRT_KERNEL(EmptyDependentKernel, EmptyArgs, 1024) {
  cuda::ReleaseLaterGrids();
  cuda::AwaitEarlierGrids();
  if (args.never != nullptr) Store(args.never, 1u);
}

// Two neighbours of a row, the lower one in the lower half.
LLMRT_DEVICE uint32_t LoadPair(const uint16_t* row, uint32_t column) {
  return Load(row + column) | static_cast<uint32_t>(Load(row + column + 1)) << 16;
}

LLMRT_KERNEL(MatrixProbeKernel, MatrixProbeArgs, 128) {
  const uint32_t lane = cuda::LaneIndex();
  const uint32_t which =
      cuda::BlockIndexX() * (cuda::BlockThreads() / cuda::kWarpLanes) + cuda::WarpIndex();
  if (which >= static_cast<uint32_t>(args.count)) return;
  const uint32_t group = lane / 4, pair = lane % 4 * 2;
  const uint16_t* a = args.a + uint64_t{which} * 256;
  const uint16_t* b = args.b + uint64_t{which} * 128 + group * 16;
  const uint32_t fragment_a[4] = {
      LoadPair(a + group * 16, pair), LoadPair(a + (group + 8) * 16, pair),
      LoadPair(a + group * 16, pair + 8), LoadPair(a + (group + 8) * 16, pair + 8)};
  const uint32_t fragment_b[2] = {LoadPair(b, pair), LoadPair(b, pair + 8)};
  const uint64_t first = uint64_t{which} * 128 + group * 8 + pair;
  const uint64_t offsets[4] = {first, first + 1, first + 64, first + 65};
  float d[4];
  for (int i = 0; i < 4; ++i) d[i] = Load(args.c + offsets[i]);
  if (args.bfloat != 0) {
    cuda::MultiplyAccumulate<BFloat16>(d, fragment_a, fragment_b);
  } else {
    cuda::MultiplyAccumulate<Half>(d, fragment_a, fragment_b);
  }
  for (int i = 0; i < 4; ++i) Store(args.d + offsets[i], d[i]);
}

LLMRT_KERNEL(FunctionProbeKernel, FunctionProbeArgs, 256) {
  const uint32_t index = cuda::BlockIndexX() * cuda::BlockThreads() + cuda::ThreadIndex();
  if (index >= args.count) return;
  const uint32_t bits = args.first + index * args.stride;
  const float x = numerics::BitsToFloat(bits);
  uint32_t result;
  if (args.function == ProbedFunction::kToHalf) {
    result = numerics::IsNan(x) ? 0x7fffu : cuda::PackPair<Half>(x, 0.0f);
  } else if (args.function == ProbedFunction::kToBFloat) {
    result = numerics::IsNan(x) ? 0x7fffu : cuda::PackPair<BFloat16>(x, 0.0f);
  } else {
    result = ProbeFunction(args.function, bits);
  }
  Store(args.out + index, result);
}

}  // namespace llmrt::gpu
