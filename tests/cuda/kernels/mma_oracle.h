// The classes of products and attention on matrix units (cuda/kernels/matmul.h, attention.h),
// computed one output at a time with the exact dot product of cuda_host/exact_mma.h: what kernels
// must equal bit for bit.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "cuda_host/exact_mma.h"

namespace llmrt::cuda {

using cuda_host::MatrixUnit;

// Of a GPU of this compute capability.
MatrixUnit MatrixUnitOf(int major);

// Of the 16-bit elements.
uint16_t RoundTo(Element element, float value);
float ToFloat(Element element, uint16_t value);

// c + a b, 16 values a step; `k` is a multiple of 16.
float MmaChain(Element element, MatrixUnit unit, const uint16_t* a, const uint16_t* b, int64_t k,
               float c);

// Chunks of 512 from zero, added ascending; `padded_k` is a multiple of 64.
float MmaDot(Element element, MatrixUnit unit, const uint16_t* weight, const uint16_t* activation,
             int64_t padded_k);

// One query over keys 0 to `position`.
struct MmaQuery {
  Element element;
  MatrixUnit unit;
  int32_t head_dim;
  float scale;
  const float* q;  // [head_dim]
  int32_t position;
  // The key (which 0) or value (1) at position t: [head_dim].
  std::function<const uint16_t*(int32_t which, int32_t t)> row;
};

std::vector<float> MmaAttend(const MmaQuery& query);

}  // namespace llmrt::cuda
