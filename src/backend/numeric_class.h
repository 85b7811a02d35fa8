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
};

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

struct NumericClass {
  std::string_view name;
  ActivationFormat activation;
};

// The classes of mode `exact` on the CPU:
//   float32 lanes   F32, F16: 16 virtual lanes of fma, a fixed tree, chunks of 512
//   bfloat16 pairs  BF16: even and odd products summed apart per 32 of K, then into the chunk's sum
//   int8 blocks     every quantized type: exact int32 sums a scale group,
//                   acc = fma(float(isum), d_w * d_a, acc) for each group ascending, then, for
//                   types with an offset, acc = fma(float(sum_a), m_w * d_a, acc)
constexpr NumericClass ClassOf(WeightType type) {
  if (IsQuantized(type)) return {"int8-blocks-32", ActivationFormat::kInt8};
  if (type == WeightType::kBF16) return {"bfloat16-pairs", ActivationFormat::kBF16};
  return {"float32-lanes-16", ActivationFormat::kF32};
}

// Bytes of one prepared row of `cols` values. Rows of the int8 format are padded to whole blocks,
// those of the others to 64 bytes.
constexpr int64_t ActivationRowBytes(ActivationFormat format, int64_t cols) {
  switch (format) {
    case ActivationFormat::kF32:
      return (cols * 4 + 63) / 64 * 64;
    case ActivationFormat::kBF16:
      return (cols * 2 + 63) / 64 * 64;
    case ActivationFormat::kInt8:
      return (cols + kActivationBlockValues - 1) / kActivationBlockValues *
             static_cast<int64_t>(sizeof(ActivationBlock));
  }
  return 0;
}

}  // namespace llmrt::backend
