// Root mean square normalization (ops/rms_norm.h has the formula): block x is output row first + x.
//
// A half-warp takes a chunk of 512 values and its lanes are DotLanes' 16 lanes: lane j adds up the
// squares of values j, j + 16, ... by fma from +0, and the tree is four exchanges. The chunk sums
// go through shared memory (4 bytes a chunk) to all threads, and each adds them, ascending: the
// same sum everywhere, for one barrier.
#include "cuda/device/device.h"
#include "cuda/kernels/elementwise.h"
#include "numerics/lanes.h"

namespace llmrt::cuda {
namespace {

constexpr uint32_t kHalfWarp = numerics::kLanes;

// The sum of the squares of in[0, count), or of the first 512, in every lane of this half-warp.
// Both halves of a warp come here together; the one that has no chunk has a count <= 0. DotLanes
// does fma(0, 0, lane) for values beyond the end; all groups of the 512 do so here, which is the
// same: these lanes hold squares, so never the -0 that it would change.
LLMRT_DEVICE float SumSquares(const float* in, int64_t count, uint32_t lane) {
  float sum = 0.0f;
  for (uint32_t group = 0; group < kRmsNormChunk / kHalfWarp; ++group) {
    const int64_t k = group * kHalfWarp + lane % kHalfWarp;
    const float x = k < count ? Load(in + k) : 0.0f;
    sum = numerics::Fma(x, x, sum);
  }
  // TreeSum16: lane i + 8 adds the same two numbers as lane i, and so on down.
  for (uint32_t half = kHalfWarp / 2; half > 0; half /= 2) sum = sum + ShuffleXor(sum, half);
  return sum;
}

LLMRT_DEVICE float Normalize(float x, float scale, float weight) { return (x * scale) * weight; }

LLMRT_DEVICE void NormalizeRow(const RmsNormArgs& args, const float* in, float scale, float* out) {
  if (args.dim % 4 != 0) {
    for (int64_t i = ThreadIndex(); i < args.dim; i += BlockThreads()) {
      Store(out + i, Normalize(Load(in + i), scale, Load(args.weight + i)));
    }
    return;
  }
  using Four = Vector<float, 4>;
  for (int64_t i = ThreadIndex() * 4; i < args.dim; i += BlockThreads() * 4) {
    Four values = Load(reinterpret_cast<const Four*>(in + i));
    const Four weights = Load(reinterpret_cast<const Four*>(args.weight + i));
    for (int j = 0; j < 4; ++j) {
      values.values[j] = Normalize(values.values[j], scale, weights.values[j]);
    }
    Store(reinterpret_cast<Four*>(out + i), values);
  }
}

}  // namespace

LLMRT_KERNEL(RmsNormKernel, RmsNormArgs, kRmsNormThreads) {
  const int32_t row = args.first + static_cast<int32_t>(BlockIndexX());
  const int32_t in_row = args.rows == nullptr ? row : Load(args.rows + row);
  const float* in = args.in + in_row * args.dim;

  float* chunk_sums = reinterpret_cast<float*>(SharedMemory());
  const int64_t chunks = (args.dim + kRmsNormChunk - 1) / kRmsNormChunk;
  const uint32_t lane = LaneIndex();
  // Counted by warps, not half-warps, so that both halves of a warp stay in the loop together.
  for (int64_t pair = WarpIndex(); pair * 2 < chunks; pair += kRmsNormThreads / kWarpLanes) {
    const int64_t chunk = pair * 2 + lane / kHalfWarp;
    const int64_t first = chunk * kRmsNormChunk;
    const int64_t left = args.dim - first;
    const float sum = SumSquares(in + first, left, lane);
    if (lane % kHalfWarp == 0 && left > 0) Store(chunk_sums + chunk, sum);
  }
  SyncBlock();

  float sum = 0.0f;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) sum = sum + Load(chunk_sums + chunk);
  const float mean = sum / static_cast<float>(args.dim);
  const float scale = 1.0f / numerics::Sqrt(mean + args.epsilon);
  NormalizeRow(args, in, scale, args.out + row * args.dim);
}

}  // namespace llmrt::cuda
