// Matrix products: out[m, n] = sum over k of activation[m, k] * weight[n, k] (+ out[m, n], last).
//
// The classes (backend/numeric_class.h). In all of them K is cut into chunks of 512, each summed
// from zero, and the chunk sums are added ascending in float32:
//
//   float32-lanes-16   as on the CPU, bit for bit (ops/matmul.h)
//   float16-mma-16     weights and activations in float16; a chunk is a chain of m16n8k16 products,
//                      k ascending, each adding to the accumulator with the matrix unit's own
//   bfloat16-mma-16    rounding (tests/cuda_host/exact_mma.h has it); the same in bfloat16
//
// Weights are the M operand and tokens the N operand from one token up, so an output's bits depend
// neither on how many tokens there are nor on the variant that computes it.
#pragma once

#include "cuda/kernels/elementwise.h"
#include "cuda/kernels/kernel_list.h"
#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

inline constexpr int64_t kMatMulChunk = 512;

struct MatMulArgs {
  const uint8_t* weight;       // [N][row_stride bytes], rows padded with zeros
  const uint8_t* activations;  // [num_rows][row_stride bytes], rows padded with zeros
  int64_t row_stride;          // bytes, a multiple of 128: K rounded up to 64 values (F32: 32)
  // Values of a row that are added: K rounded up to 64. F32: to 16, a group of lanes; a group of
  // zeros more would turn a lane's -0 into +0, which the CPU's sum does not.
  int64_t padded_k;
  int32_t first_feature;  // features [first_feature, end_feature) of the N are computed
  int32_t end_feature;
  int32_t num_rows;  // M
  int32_t accumulate;
  float* out;  // [num_rows, out_stride]
  int64_t out_stride;
};

// float32: a block computes 8 features (one a half-warp) for 8 tokens.
inline constexpr uint32_t kMatMulFloat32Features = 8;
inline constexpr uint32_t kMatMulFloat32Tokens = 8;
inline constexpr uint32_t kMatMulFloat32Threads = 16 * kMatMulFloat32Features;

// 16-bit types: rows travel through shared memory in stages of 64 k, 128 bytes a row.
inline constexpr uint32_t kMatMulStageK = 64;
inline constexpr uint32_t kMatMulStageRowBytes = 2 * kMatMulStageK;
inline constexpr uint32_t kMatMulStages = 3;

// The variant for few tokens: a block computes 16 features for 8 tokens. Each of up to 8 warps has
// a pipeline of its own, and a chunk's sums wait in shared memory, one row a token.
inline constexpr uint32_t kMatMulNarrowFeatures = 16;
inline constexpr uint32_t kMatMulNarrowTokens = 8;
inline constexpr uint32_t kMatMulNarrowWarpsMax = 8;
inline constexpr uint32_t kMatMulNarrowStageBytes =
    (kMatMulNarrowFeatures + kMatMulNarrowTokens) * kMatMulStageRowBytes;
// Floats from one token's sums to the next: rows 2t of 4 lanes t then start 8 banks apart.
inline constexpr uint32_t kMatMulNarrowSumStride = 20;
inline constexpr uint32_t kMatMulNarrowChunkBytes =
    kMatMulNarrowTokens * kMatMulNarrowSumStride * sizeof(float);
// With this many chunks (K of 16384) it asks for 92 KB; a block of any supported GPU may have 99.
inline constexpr int64_t kMatMulNarrowChunksMax = 32;

// The variants for more: a block computes 64 features, 16 a warp, for 32 or 64 tokens.
inline constexpr uint32_t kMatMulWideFeatures = 64;
inline constexpr uint32_t kMatMulWideThreads = 128;

// Kernels that compute the same bits, named by the tokens of a block.
enum class MatMulVariant : int32_t { kTokens8 = 0, kTokens32 = 1, kTokens64 = 2 };

constexpr int64_t MatMulChunks(const MatMulArgs& args) {
  return (args.padded_k + kMatMulChunk - 1) / kMatMulChunk;
}
constexpr MatMulVariant MatMulVariantFor(const MatMulArgs& args) {
  if (args.num_rows <= 8 && MatMulChunks(args) <= kMatMulNarrowChunksMax) {
    return MatMulVariant::kTokens8;
  }
  return args.num_rows <= 32 ? MatMulVariant::kTokens32 : MatMulVariant::kTokens64;
}

// Blocks of `size` that cover `count`.
constexpr uint32_t MatMulTiles(int32_t count, uint32_t size) {
  return (static_cast<uint32_t>(count) + size - 1) / size;
}

// At most MatMulNarrowChunksMax chunks. As many warps as make their shares of the chunks most even.
constexpr LaunchShape MatMulNarrowShape(const MatMulArgs& args) {
  const uint32_t chunks = static_cast<uint32_t>(MatMulChunks(args));
  const uint32_t share = (chunks + kMatMulNarrowWarpsMax - 1) / kMatMulNarrowWarpsMax;
  const uint32_t warps = (chunks + share - 1) / share;
  return {.grid_x = MatMulTiles(args.end_feature - args.first_feature, kMatMulNarrowFeatures),
          .grid_y = MatMulTiles(args.num_rows, kMatMulNarrowTokens),
          .threads = 32 * warps,
          .shared_bytes =
              warps * kMatMulStages * kMatMulNarrowStageBytes + chunks * kMatMulNarrowChunkBytes};
}

// Token tiles are neighbours, so that one reading of the weights serves them all.
constexpr LaunchShape MatMulWideShape(const MatMulArgs& args, uint32_t tokens) {
  return {.grid_x = MatMulTiles(args.num_rows, tokens),
          .grid_y = MatMulTiles(args.end_feature - args.first_feature, kMatMulWideFeatures),
          .threads = kMatMulWideThreads,
          .shared_bytes = kMatMulStages * (kMatMulWideFeatures + tokens) * kMatMulStageRowBytes};
}

constexpr LaunchShape MatMulShape(const MatMulArgs& args, MatMulVariant variant) {
  if (variant == MatMulVariant::kTokens8) return MatMulNarrowShape(args);
  return MatMulWideShape(args, variant == MatMulVariant::kTokens32 ? 32 : 64);
}

constexpr LaunchShape MatMulFloat32Shape(const MatMulArgs& args) {
  return {.grid_x = MatMulTiles(args.end_feature - args.first_feature, kMatMulFloat32Features),
          .grid_y = MatMulTiles(args.num_rows, kMatMulFloat32Tokens),
          .threads = kMatMulFloat32Threads};
}

constexpr KernelId MatMulKernelId(Element element, MatMulVariant variant) {
  if (element == Element::kF32) return KernelId::kMatMulFloat32Kernel;
  constexpr KernelId kIds[2][3] = {
      {KernelId::kMatMulHalf8Kernel, KernelId::kMatMulHalf32Kernel, KernelId::kMatMulHalf64Kernel},
      {KernelId::kMatMulBFloat8Kernel, KernelId::kMatMulBFloat32Kernel,
       KernelId::kMatMulBFloat64Kernel}};
  return kIds[element == Element::kF16 ? 0 : 1][static_cast<int32_t>(variant)];
}

// What to launch for a product of `element` weights and activations. Sizes are positive.
struct MatMulLaunch {
  KernelId kernel;
  LaunchShape shape;
};
constexpr MatMulLaunch MatMulLaunchFor(Element element, const MatMulArgs& args) {
  const MatMulVariant variant = MatMulVariantFor(args);
  return {
      .kernel = MatMulKernelId(element, variant),
      .shape = element == Element::kF32 ? MatMulFloat32Shape(args) : MatMulShape(args, variant)};
}

}  // namespace llmrt::cuda
