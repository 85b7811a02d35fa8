// Numeric classes: for each weight type, which activation format a matrix product reads and in
// which order it sums. A class is the same for every batch size, chunk and thread count; that is
// what makes the machinery invisible. Tiers of one class agree bit for bit.
#pragma once

#include <cstdint>
#include <string_view>

#include "backend/weight_type.h"

namespace llmrt::backend {

enum class NumericMode : uint8_t { kExact = 0, kFast = 1, kReference = 2 };

// What PrepareActivations writes and MatMul reads.
enum class ActivationFormat : uint8_t {
  kF32,   // rows of float32
  kBF16,  // rows of bfloat16, rounded to nearest even
  kInt8,  // blocks of 32: int8 values, float32 scale, int32 sum (see ActivationBlock)
  kF16,   // rows of float16, rounded to nearest even; of matrix units only, no CPU kernel reads it
};
inline constexpr int kActivationFormatCount = 4;

// A block of quantized activations: x ~ scale * q. scale = amax / 127, q = rne(x / scale) in +-127.
// `sum` is the exact sum of q: weights with an offset need it once a block.
struct ActivationBlock {
  float scale;
  int32_t sum;
  int8_t q[32];
};
static_assert(sizeof(ActivationBlock) == 40);

inline constexpr int64_t kActivationBlockValues = 32;

// Products sum K in chunks of this many, each from zero, the chunk sums added ascending.
inline constexpr int64_t kChunkK = 512;

// Everything that a product's bits depend on besides its numbers: two classes with equal fields are
// one class. Shown to the host as `name`, or in full by DescribeClass.
struct NumericClass {
  std::string_view name;
  ActivationFormat activation;
  int32_t activation_block;     // activations that share a scale; 1: none is shared
  int32_t k_step;               // values of K in one step of the inner order ("instruction K")
  int64_t k_chunk;              // values of K summed from zero; 0: all of them
  std::string_view scales;      // how the weights' scales enter
  std::string_view rounded_at;  // where a rounding happens; nowhere else
};

inline constexpr NumericClass kFloat32Lanes = {
    .name = "float32-lanes-16",
    .activation = ActivationFormat::kF32,
    .activation_block = 1,
    .k_step = 16,
    .k_chunk = kChunkK,
    .scales = "none",
    .rounded_at = "each fma of 16 lanes, each sum of the tree, each chunk's addition"};

inline constexpr NumericClass kBFloat16Pairs = {
    .name = "bfloat16-pairs",
    .activation = ActivationFormat::kBF16,
    .activation_block = 1,
    .k_step = 32,
    .k_chunk = kChunkK,
    .scales = "none",
    .rounded_at =
        "activation to bfloat16, each fma of even and of odd values, even + odd, each "
        "step's and each chunk's addition"};

inline constexpr NumericClass kInt8Blocks = {
    .name = "int8-blocks-32",
    .activation = ActivationFormat::kInt8,
    .activation_block = static_cast<int32_t>(kActivationBlockValues),
    .k_step = 32,
    .k_chunk = kChunkK,
    .scales =
        "fma(isum, scale_w * scale_a, acc) a scale group, then "
        "fma(sum_a, offset_w * scale_a, acc)",
    .rounded_at =
        "activation to int8 and its scale, each product of scales, each fma, each "
        "chunk's addition"};

// The matrix units of a CUDA device: chains of m16n8k16 products, each adding to the accumulator in
// the unit's own rounding (cuda/kernels/matmul.h).
inline constexpr NumericClass kFloat16Mma = {
    .name = "float16-mma-16",
    .activation = ActivationFormat::kF16,
    .activation_block = 1,
    .k_step = 16,
    .k_chunk = kChunkK,
    .scales = "none",
    .rounded_at =
        "activation to float16, each product of 16 by the matrix unit, each chunk's addition"};

inline constexpr NumericClass kBFloat16Mma = {
    .name = "bfloat16-mma-16",
    .activation = ActivationFormat::kBF16,
    .activation_block = 1,
    .k_step = 16,
    .k_chunk = kChunkK,
    .scales = "none",
    .rounded_at =
        "activation to bfloat16, each product of 16 by the matrix unit, each chunk's addition"};

// Mode `reference`, every weight type.
inline constexpr NumericClass kFloat32Plain = {
    .name = "float32-plain",
    .activation = ActivationFormat::kF32,
    .activation_block = 1,
    .k_step = 1,
    .k_chunk = 0,
    .scales = "into the weight, which is rounded to float32 where its type has an offset",
    .rounded_at = "each product and sum to float64, the total to float32"};

// The classes of mode `exact` on the CPU; ops/matmul.h has their formulas.
constexpr const NumericClass& ClassOf(WeightType type) {
  if (IsQuantized(type)) return kInt8Blocks;
  return type == WeightType::kBF16 ? kBFloat16Pairs : kFloat32Lanes;
}

// Bytes of one prepared row of `cols` values. Rows of the int8 format are padded to whole blocks,
// those of the others to 128 bytes: 64 values of two bytes, which is what matrix units read at
// once.
constexpr int64_t ActivationRowBytes(ActivationFormat format, int64_t cols) {
  switch (format) {
    case ActivationFormat::kF32:
      return (cols * 4 + 127) / 128 * 128;
    case ActivationFormat::kF16:
    case ActivationFormat::kBF16:
      return (cols * 2 + 127) / 128 * 128;
    case ActivationFormat::kInt8:
      return (cols + kActivationBlockValues - 1) / kActivationBlockValues *
             static_cast<int64_t>(sizeof(ActivationBlock));
  }
  return 0;
}

}  // namespace llmrt::backend
