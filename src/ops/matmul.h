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

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckMatMul(absl::Span<const backend::MatMulParams> products, backend::Range features);

// fn(product, its own features) for each product that units of `features` belong to, in order.
template <typename Fn>
void ForEachProduct(absl::Span<const backend::MatMulParams> products, backend::Range features,
                    Fn fn) {
  int64_t first = 0;  // unit of the product's first feature
  for (const backend::MatMulParams& product : products) {
    const int64_t rows = product.weight->rows();
    const backend::Range own = {std::max<int64_t>(features.begin - first, 0),
                                std::min(features.end - first, rows)};
    if (own.begin < own.end) fn(product, own);
    first += rows;
  }
}

// The contract above. Weights must be HostMatrices.
void OracleMatMul(absl::Span<const backend::MatMulParams> products, backend::Range features);

// Mode `reference`: float32 activations times the dequantized weight; products and sum in double, k
// ascending, rounded once.
void PlainMatMul(absl::Span<const backend::MatMulParams> products, backend::Range features);

}  // namespace llmrt::ops
