// The gated activation, out = Silu(gate) * up (ops/swiglu.h): a thread is one value. No shared
// memory. `out` may be `gate` or `up`.
#include "cuda/device/device.h"
#include "cuda/kernels/elementwise.h"
#include "numerics/exact_math.h"

namespace llmrt::cuda {

LLMRT_KERNEL(SwiGluKernel, SwiGluArgs, kSwiGluThreads) {
  const int64_t i = int64_t{BlockIndexX()} * BlockThreads() + ThreadIndex();
  if (i >= args.count) return;
  Store(args.out + i, numerics::Silu(Load(args.gate + i)) * Load(args.up + i));
}

}  // namespace llmrt::cuda
