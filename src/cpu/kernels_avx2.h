// The kernels that use AVX2, FMA and F16C; kernels_avx2.cc makes a table of them. Call them only
// where HasAvx2() says yes.
#pragma once

#include "cpu/kernel_table.h"

namespace llmrt::cpu::avx2 {

void MatMulF32(const MatMulTask& task);
void MatMulF16(const MatMulTask& task);
void MatMulBF16(const MatMulTask& task);
void MatMulQ8_0(const MatMulTask& task);
void MatMulQ4_0(const MatMulTask& task);
void MatMulQ4_1(const MatMulTask& task);
void MatMulQ5_0(const MatMulTask& task);
void MatMulQ5_1(const MatMulTask& task);
void MatMulQ4_K(const MatMulTask& task);
void MatMulQ5_K(const MatMulTask& task);
void MatMulQ6_K(const MatMulTask& task);

// How the products with quantized weights want their rows packed.
RowTile TileQ8_0(int64_t rows);
RowTile TileQ4_0(int64_t rows);
RowTile TileQ4_1(int64_t rows);
RowTile TileQ5_0(int64_t rows);
RowTile TileQ5_1(int64_t rows);
RowTile TileQ4_K(int64_t rows);
RowTile TileQ5_K(int64_t rows);
RowTile TileQ6_K(int64_t rows);
void PackQ8_0(const PackTask& task);
void PackQ4_0(const PackTask& task);
void PackQ4_1(const PackTask& task);
void PackQ5_0(const PackTask& task);
void PackQ5_1(const PackTask& task);
void PackQ4_K(const PackTask& task);
void PackQ5_K(const PackTask& task);
void PackQ6_K(const PackTask& task);

void AttentionF32(const AttentionTask& task);
void AttentionF16(const AttentionTask& task);
void AttentionBF16(const AttentionTask& task);

void StoreKvF32(const float* in, int64_t count, uint8_t* out);
void StoreKvF16(const float* in, int64_t count, uint8_t* out);
void StoreKvBF16(const float* in, int64_t count, uint8_t* out);
void PrepareF32(const float* in, int64_t cols, uint8_t* out);
void PrepareBF16(const float* in, int64_t cols, uint8_t* out);
void PrepareInt8(const float* in, int64_t cols, uint8_t* out);
void RmsNorm(const RmsNormTask& task);
void Rope(const RopeTask& task);
void SwiGlu(const float* gate, const float* up, int64_t count, float* out);

}  // namespace llmrt::cpu::avx2
