// Products with quantized weights by AMX; few rows by VNNI, which every processor with AMX has.
#include "cpu/kernels_amx.h"
#include "cpu/matmul_int8_tiles.h"
#include "cpu/tiles_amx.h"
#include "cpu/vnni_engine.h"

namespace llmrt::cpu::amx {
namespace {

using backend::WeightType;
using Engine = x512::TileEngine<x512::VnniEngine, AmxTiles>;

}  // namespace

void MatMulQ8_0(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ8_0>(task); }
void MatMulQ4_0(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ4_0>(task); }
void MatMulQ4_1(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ4_1>(task); }
void MatMulQ5_0(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ5_0>(task); }
void MatMulQ5_1(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ5_1>(task); }
void MatMulQ4_K(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ4_K>(task); }
void MatMulQ5_K(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ5_K>(task); }
void MatMulQ6_K(const MatMulTask& task) { x512::MatMul<Engine, WeightType::kQ6_K>(task); }

}  // namespace llmrt::cpu::amx
