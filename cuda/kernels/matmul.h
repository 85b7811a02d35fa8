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

#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

inline constexpr int64_t kMatMulChunk = 512;

struct MatMulArgs {
  const uint8_t* weight;       // [N][row_stride bytes], rows padded with zeros
  const uint8_t* activations;  // [num_rows][row_stride bytes], rows padded with zeros
  int64_t row_stride;          // bytes, a multiple of 128: K rounded up to 64 values (F32: 32)
  int64_t padded_k;            // values of a row, padding included
  int32_t first_feature;       // features [first_feature, end_feature) of the N are computed
  int32_t end_feature;
  int32_t num_rows;  // M
  int32_t accumulate;
  float* out;  // [num_rows, out_stride]
  int64_t out_stride;
};

}  // namespace llmrt::cuda
