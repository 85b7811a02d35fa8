// The kernels that use AMX for int8 and bfloat16; kernels_amx.cc makes a table of them. Call
// them only where UseAmx() says yes.
#pragma once

#include "cpu/kernel_table.h"

namespace llmrt::cpu::amx {

void MatMulBF16(const MatMulTask& task);
void MatMulQ8_0(const MatMulTask& task);
void MatMulQ4_0(const MatMulTask& task);
void MatMulQ4_1(const MatMulTask& task);
void MatMulQ5_0(const MatMulTask& task);
void MatMulQ5_1(const MatMulTask& task);
void MatMulQ4_K(const MatMulTask& task);
void MatMulQ5_K(const MatMulTask& task);
void MatMulQ6_K(const MatMulTask& task);

}  // namespace llmrt::cpu::amx
