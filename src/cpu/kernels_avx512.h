// The kernels that use AVX-512 F, BW, DQ and VL; kernels_avx512.cc makes a table of them. Call
// them only where HasAvx512() says yes.
#pragma once

#include "cpu/kernel_table.h"

namespace llmrt::cpu::avx512 {

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

// For the quantized types of the tiers vnni and amx, too.
RowTile TileQ8_0(int64_t rows);
void PackQ8_0(const PackTask& task);
RowTile TileQ4_0(int64_t rows);
void PackQ4_0(const PackTask& task);
RowTile TileQ4_1(int64_t rows);
void PackQ4_1(const PackTask& task);
RowTile TileQ5_0(int64_t rows);
void PackQ5_0(const PackTask& task);
RowTile TileQ5_1(int64_t rows);
void PackQ5_1(const PackTask& task);
RowTile TileQ4_K(int64_t rows);
void PackQ4_K(const PackTask& task);
RowTile TileQ5_K(int64_t rows);
void PackQ5_K(const PackTask& task);
RowTile TileQ6_K(int64_t rows);
void PackQ6_K(const PackTask& task);
void AttentionF32(const AttentionTask& task);
void AttentionF16(const AttentionTask& task);
void AttentionBF16(const AttentionTask& task);

}  // namespace llmrt::cpu::avx512
