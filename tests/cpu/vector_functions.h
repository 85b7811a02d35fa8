// Functions of cpu/vector_avx2.h and vector_avx512.h over arrays, for tests: compiled for their
// instructions in files of their own, as kernels are. `count` is a multiple of 16, but for the
// conversions', which is any.
#pragma once

#include <cstdint>

namespace llmrt::cpu {

void ExpAvx2(const float* in, int64_t count, float* out);
void SiluAvx2(const float* in, int64_t count, float* out);

void ExpAvx512(const float* in, int64_t count, float* out);
void SiluAvx512(const float* in, int64_t count, float* out);
void NarrowAvx512(const float* in, int64_t count, uint16_t* f16, uint16_t* bf16);
void WidenAvx512(const uint16_t* in, int64_t count, float* f16, float* bf16);
float TreeSumAvx512(const float* lanes);
float TreeMaxAvx512(const float* lanes);
// Of four times sixteen lanes.
void FourSumsAvx512(const float* lanes, float* out);

}  // namespace llmrt::cpu
