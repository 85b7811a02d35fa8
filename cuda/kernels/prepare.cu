// Activations in the type that a matrix product reads (elementwise.h): copied, or rounded to
// nearest even, and padded with zeros. Block x is row first + x; a thread writes every
// BlockThreads()-th group of four values. No shared memory.
#include "cuda/device/device.h"
#include "cuda/kernels/elementwise.h"

namespace llmrt::cuda {
namespace {

using FourFloats = Vector<float, 4>;
using FourHalves = Vector<uint32_t, 2>;

// in[k, k + 4), zeros from `cols` on. Input rows follow one another, so only rows of whole groups
// are all aligned; output rows always are.
LLMRT_DEVICE FourFloats LoadFour(const float* in, int64_t k, int64_t cols) {
  FourFloats four = {};
  if (cols % 4 == 0) {
    if (k < cols) four = Load(reinterpret_cast<const FourFloats*>(in + k));
    return four;
  }
  for (int j = 0; j < 4; ++j) {
    if (k + j < cols) four.values[j] = Load(in + k + j);
  }
  return four;
}

template <typename To>
LLMRT_DEVICE FourHalves Round(const FourFloats& four) {
  return {
      {PackPair<To>(four.values[0], four.values[1]), PackPair<To>(four.values[2], four.values[3])}};
}

}  // namespace

LLMRT_KERNEL(PrepareKernel, PrepareArgs, kPrepareThreads) {
  const int64_t row = args.first + static_cast<int64_t>(BlockIndexX());
  const float* in = args.in + row * args.cols;
  for (int64_t k = ThreadIndex() * 4; k < args.padded_cols; k += BlockThreads() * 4) {
    const FourFloats four = LoadFour(in, k, args.cols);
    const int64_t index = (row * args.padded_cols + k) / 4;
    if (args.element == Element::kF32) {
      Store(reinterpret_cast<FourFloats*>(args.out) + index, four);
    } else if (args.element == Element::kF16) {
      Store(reinterpret_cast<FourHalves*>(args.out) + index, Round<Half>(four));
    } else {
      Store(reinterpret_cast<FourHalves*>(args.out) + index, Round<BFloat16>(four));
    }
  }
}

}  // namespace llmrt::cuda
