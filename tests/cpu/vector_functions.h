// Functions of cpu/vector_avx2.h over arrays, for tests: compiled for AVX2 in a file of their own,
// as kernels are. `count` is a multiple of 8.
#pragma once

#include <cstdint>

namespace llmrt::cpu {

void ExpAvx2(const float* in, int64_t count, float* out);
void SiluAvx2(const float* in, int64_t count, float* out);

}  // namespace llmrt::cpu
