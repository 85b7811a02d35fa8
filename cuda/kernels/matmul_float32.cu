// out[m, n] (+)= sum over k of activation[m, k] * weight[n, k] in float32, the bits of the CPU's
// float32-lanes-16 class (ops/matmul.h):
//
//   total = 0; for each chunk of 512 k ascending:
//     lane[k % 16] = fma(weight[k], activation[k], lane[k % 16])  from +0, k ascending
//     total = total + TreeSum16(lane)
//
// Block (x, y) is features 8x to 8x + 7 of the range, one a half-warp, and tokens 8y to 8y + 7.
// Lane j of a half-warp is lane j of the class, for all 8 tokens; no shared memory. Features and
// tokens beyond the end compute the last one again and store nothing. Compute capability 8.0.
#include "cuda/device/device.h"
#include "cuda/kernels/half_warp.cuh"
#include "cuda/kernels/matmul.h"

namespace llmrt::cuda {
namespace {

LLMRT_DEVICE int32_t Smaller(int32_t a, int32_t b) { return a < b ? a : b; }

// Value lane of row `row`.
LLMRT_DEVICE const float* LaneOfRow(const uint8_t* rows, int64_t row_stride, int32_t row,
                                    uint32_t lane) {
  return reinterpret_cast<const float*>(rows + row * row_stride) + lane;
}

}  // namespace

LLMRT_KERNEL(MatMulFloat32Kernel, MatMulArgs, kMatMulFloat32Threads) {
  constexpr int32_t kTokens = kMatMulFloat32Tokens;
  const uint32_t thread = ThreadIndex();
  const uint32_t lane = thread % kHalfWarpLanes;
  const uint32_t half_warp = thread / kHalfWarpLanes;
  const int32_t feature =
      args.first_feature + static_cast<int32_t>(BlockIndexX() * kMatMulFloat32Features + half_warp);
  const int32_t first_token = static_cast<int32_t>(BlockIndexY()) * kTokens;
  const float* const weight =
      LaneOfRow(args.weight, args.row_stride, Smaller(feature, args.end_feature - 1), lane);
  const float* activation[kTokens];
#pragma unroll
  for (int32_t t = 0; t < kTokens; ++t) {
    activation[t] = LaneOfRow(args.activations, args.row_stride,
                              Smaller(first_token + t, args.num_rows - 1), lane);
  }
  float total[kTokens] = {};
  for (int64_t chunk = 0; chunk < args.padded_k; chunk += kMatMulChunk) {
    const int64_t rest = args.padded_k - chunk;
    const int64_t end = chunk + (rest < kMatMulChunk ? rest : kMatMulChunk);
    float sum[kTokens] = {};
#pragma unroll 4
    for (int64_t k = chunk; k < end; k += kHalfWarpLanes) {
      const float w = Load(weight + k);
#pragma unroll
      for (int32_t t = 0; t < kTokens; ++t) {
        sum[t] = numerics::Fma(w, Load(activation[t] + k), sum[t]);
      }
    }
#pragma unroll
    for (int32_t t = 0; t < kTokens; ++t) total[t] = total[t] + HalfWarpSum(sum[t]);
  }
  // All lanes hold all totals; lane t stores token t's.
#pragma unroll
  for (int32_t t = 0; t < kTokens; ++t) {
    if (static_cast<int32_t>(lane) == t && first_token + t < args.num_rows &&
        feature < args.end_feature) {
      float* const out = args.out + (first_token + t) * args.out_stride + feature;
      Store(out, args.accumulate != 0 ? Load(out) + total[t] : total[t]);
    }
  }
}

}  // namespace llmrt::cuda
