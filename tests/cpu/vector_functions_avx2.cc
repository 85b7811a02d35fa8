#include "cpu/vector_avx2.h"
#include "tests/cpu/vector_functions.h"

namespace llmrt::cpu {

void ExpAvx2(const float* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += 8) {
    _mm256_storeu_ps(out + i, avx2::Exp(_mm256_loadu_ps(in + i)));
  }
}

void SiluAvx2(const float* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += 8) {
    _mm256_storeu_ps(out + i, avx2::Silu(_mm256_loadu_ps(in + i)));
  }
}

}  // namespace llmrt::cpu
