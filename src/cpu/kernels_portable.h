// The kernels that need nothing beyond the C++ language; kernels_portable.cc makes a table of them.
#pragma once

#include "cpu/kernel_table.h"

namespace llmrt::cpu::portable {

void MatMulF32(const MatMulTask& task);
void MatMulF16(const MatMulTask& task);
void MatMulBF16(const MatMulTask& task);
template <backend::WeightType kType>
void MatMulInt8(const MatMulTask& task);  // every quantized type

template <backend::KvType kType>
void Attention(const AttentionTask& task);

template <backend::KvType kType>
void StoreKv(const float* in, int64_t count, uint8_t* out);
void PrepareF32(const float* in, int64_t cols, uint8_t* out);
void PrepareBF16(const float* in, int64_t cols, uint8_t* out);
void PrepareInt8(const float* in, int64_t cols, uint8_t* out);
void RmsNorm(const RmsNormTask& task);
void Rope(const RopeTask& task);
void SwiGlu(const float* gate, const float* up, int64_t count, float* out);

}  // namespace llmrt::cpu::portable
