// The kernels that use AVX-512 VNNI beside them; kernels_vnni.cc makes a table of them. Call
// them only where HasVnni() says yes.
#pragma once

#include "cpu/kernel_table.h"

namespace llmrt::cpu::vnni {

void MatMulQ8_0(const MatMulTask& task);
void MatMulQ4_0(const MatMulTask& task);
void MatMulQ4_1(const MatMulTask& task);
void MatMulQ5_0(const MatMulTask& task);
void MatMulQ5_1(const MatMulTask& task);
void MatMulQ4_K(const MatMulTask& task);
void MatMulQ5_K(const MatMulTask& task);
void MatMulQ6_K(const MatMulTask& task);

}  // namespace llmrt::cpu::vnni
