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

}  // namespace llmrt::cpu::avx512
