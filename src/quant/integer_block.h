// The integer class's view of a quantized weight: 32 consecutive values of a row as small integers
// with a scale and, for some types, an offset. It is the one place that knows the bits of each
// block type; dequantization and every kernel's packing read blocks through it.
#pragma once

#include <cstdint>

#include "backend/weight_type.h"

namespace llmrt::quant {

inline constexpr int kIntegerBlockValues = 32;

// w[i] = scale[i / (32 / num_groups)] * q[i] + offset.
//
// Exactness. Every scale and offset below is exact in float32: an f16 has 11 significant bits, the
// scales of K types have 6 to 8, so a product has at most 19 of float32's 24. scale * q is exact as
// well: at most 11 + 6 + 5 = 22 bits for Q5_K and 11 + 7 + 5 for Q6_K (whose extremes, -128 and
// -32, are powers of two). So w takes one rounding, that of adding the offset, and none without an
// offset; fused or not makes no difference. Nothing can underflow: an f16 is a multiple of 2^-24.
struct IntegerBlock {
  int8_t q[kIntegerBlockValues] = {};
  int32_t num_groups = 1;  // 2 for Q6_K (two of 16 values), else 1
  float scale[2] = {0, 0};
  bool has_offset = false;  // Q4_1, Q5_1, Q4_K, Q5_K
  float offset = 0;
};

// Range of q by type: Q8_0 -128..127, Q4_0 -8..7, Q5_0 -16..15, Q6_K -32..31; with an offset 0..15
// (Q4_1, Q4_K) and 0..31 (Q5_1, Q5_K).
//
// `block` counts blocks of 32 values from the start of `row`, also for types whose file blocks hold
// 256. The caller vouches that the row is that long. A type that is not quantized gives zeros.
void DecodeIntegerBlock(backend::WeightType type, const uint8_t* row, int64_t block,
                        IntegerBlock* out);

}  // namespace llmrt::quant
