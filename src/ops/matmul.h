// Matrix products: out[m, n] = sum over k of activation[m, k] * weight[n, k] (+ out[m, n], last).
// The numeric classes of backend/numeric_class.h, operation by operation. In all of them
//
//   total = 0; for each chunk of 512 k ascending: total = total + Chunk;  out = total
//   (accumulate: out = out + total)
//
// and a chunk starts from zero:
//
//   float32-lanes-16   Chunk = DotLanes(weight, activation): 16 lanes of fma, the last group padded
//   with
//                      zeros, then the tree (numerics/lanes.h). F16 weights convert exactly.
//   bfloat16-pairs     acc = 0; for each 32 k ascending, rows padded with zeros to whole 32s:
//                        even = odd = 0; for each pair (2i, 2i + 1) ascending:
//                          even = fma(a[2i], w[2i], even);  odd = fma(a[2i+1], w[2i+1], odd)
//                        acc = acc + (even + odd)
//   int8-blocks-32     acc = 0; for each block of 32 k ascending:
//                        for each scale group g of the block (one, or two of 16 for Q6_K):
//                          acc = fma(float(isum_g), scale_g * d_a, acc)
//                        if the type has offsets: acc = fma(float(sum_a), offset * d_a, acc)
//                      isum_g is the exact sum of weight q * activation q, d_a and sum_a are the
//                      activation block's scale and sum; scale * d_a is rounded. isum is below 2^20
//                      and so exact in float32.
//
// Denormal inputs and results of float operations count as zero throughout (numerics/fp_mode.h).
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckMatMul(const backend::MatMulParams& params, backend::Range features);

// The contract above. `params.weight` must be a HostMatrix.
void OracleMatMul(const backend::MatMulParams& params, backend::Range features);

// Mode `reference`: float32 activations times the dequantized weight; products and sum in double, k
// ascending, rounded once.
void PlainMatMul(const backend::MatMulParams& params, backend::Range features);

}  // namespace llmrt::ops
