#include "cpu/vector_avx512.h"
#include "tests/cpu/vector_functions.h"

namespace llmrt::cpu {

void ExpAvx512(const float* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += 16) {
    _mm512_storeu_ps(out + i, avx512::Exp(_mm512_loadu_ps(in + i)));
  }
}

void SiluAvx512(const float* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += 16) {
    _mm512_storeu_ps(out + i, avx512::Silu(_mm512_loadu_ps(in + i)));
  }
}

void NarrowAvx512(const float* in, int64_t count, uint16_t* f16, uint16_t* bf16) {
  for (int64_t i = 0; i < count; i += 16) {
    const __m512 x = avx512::LoadPadded(in, i, count);
    avx512::StorePadded16(f16, i, count, avx512::NarrowF16(x));
    avx512::StorePadded16(bf16, i, count, avx512::NarrowBF16(x));
  }
}

void WidenAvx512(const uint16_t* in, int64_t count, float* f16, float* bf16) {
  for (int64_t i = 0; i < count; i += 16) {
    const __m256i x = avx512::LoadPadded16(in, i, count);
    avx512::StorePadded(f16, i, count, avx512::WidenF16(x));
    avx512::StorePadded(bf16, i, count, avx512::WidenBF16(x));
  }
}

float TreeSumAvx512(const float* lanes) { return avx512::TreeSum(_mm512_loadu_ps(lanes)); }
float TreeMaxAvx512(const float* lanes) { return avx512::TreeMax(_mm512_loadu_ps(lanes)); }

void FourSumsAvx512(const float* lanes, float* out) {
  __m128 folded[4];
  for (int i = 0; i < 4; ++i) folded[i] = avx512::FoldToFour(_mm512_loadu_ps(lanes + i * 16));
  _mm_storeu_ps(out, avx512::FoldFourSums(folded[0], folded[1], folded[2], folded[3]));
}

}  // namespace llmrt::cpu
