// Products with quantized weights by AVX-512 VNNI.
#include "cpu/kernels_vnni.h"
#include "cpu/vnni_engine.h"

namespace llmrt::cpu::vnni {
namespace {

using backend::WeightType;
using Engine = x512::VnniEngine;

}  // namespace

void MatMulQ8_0(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ8_0>(task); }
void MatMulQ4_0(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ4_0>(task); }
void MatMulQ4_1(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ4_1>(task); }
void MatMulQ5_0(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ5_0>(task); }
void MatMulQ5_1(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ5_1>(task); }
void MatMulQ4_K(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ4_K>(task); }
void MatMulQ5_K(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ5_K>(task); }
void MatMulQ6_K(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ6_K>(task); }

}  // namespace llmrt::cpu::vnni
