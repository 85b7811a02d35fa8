// Products with BF16 weights by AMX; few rows by fma, which gives the same bits.
#include "cpu/kernels_amx.h"
#include "cpu/kernels_avx512.h"
#include "cpu/matmul_float_tiles.h"
#include "cpu/tiles_amx.h"

namespace llmrt::cpu::amx {

void MatMulBF16(const MatMulTask& task) { x512::MatMulPairs<AmxTiles>(task, avx512::MatMulBF16); }

}  // namespace llmrt::cpu::amx
