#include "sampling/noise_words.h"

#include <cstddef>

#include "numerics/noise.h"
#include "numerics/philox.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

namespace llmrt::sampling {
namespace {

void PlainWords(const NoiseKey& key, int32_t first, absl::Span<uint32_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = numerics::NoiseBits(key.seed, key.position, first + static_cast<int32_t>(i),
                                 key.sample_index);
  }
}

#if defined(__x86_64__) && defined(__GNUC__)

#define LLMRT_TARGET_AVX2 [[gnu::target("avx2")]]

struct Product {
  __m256i high;
  __m256i low;
};

// The 64-bit products of eight 32-bit lanes: the multiplier takes even lanes, so odd ones are
// shifted down and back.
LLMRT_TARGET_AVX2 inline Product Multiply(__m256i a, __m256i multiplier) {
  const __m256i even = _mm256_mul_epu32(a, multiplier);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), multiplier);
  return {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa),
          _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa)};
}

// Philox4x32-10 of eight tokens, one a lane; the steps are those of numerics/philox.h.
LLMRT_TARGET_AVX2 void Avx2Words(const NoiseKey& key, int32_t first, absl::Span<uint32_t> out) {
  const __m256i multiplier0 = _mm256_set1_epi32(static_cast<int32_t>(0xD2511F53u));
  const __m256i multiplier1 = _mm256_set1_epi32(static_cast<int32_t>(0xCD9E8D57u));
  const uint64_t position = static_cast<uint64_t>(key.position);
  size_t i = 0;
  for (; i + 8 <= out.size(); i += 8) {
    __m256i c0 = _mm256_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(position)));
    __m256i c1 = _mm256_set1_epi32(static_cast<int32_t>(position >> 32));
    __m256i c2 = _mm256_add_epi32(_mm256_set1_epi32(first + static_cast<int32_t>(i)),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i c3 = _mm256_set1_epi32(key.sample_index);
    uint32_t key0 = static_cast<uint32_t>(key.seed), key1 = static_cast<uint32_t>(key.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const Product product0 = Multiply(c0, multiplier0);
      const Product product1 = Multiply(c2, multiplier1);
      c0 = _mm256_xor_si256(_mm256_xor_si256(product1.high, c1),
                            _mm256_set1_epi32(static_cast<int32_t>(key0)));
      c1 = product1.low;
      c2 = _mm256_xor_si256(_mm256_xor_si256(product0.high, c3),
                            _mm256_set1_epi32(static_cast<int32_t>(key1)));
      c3 = product0.low;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(&out[i]), c0);
  }
  PlainWords(key, first + static_cast<int32_t>(i), out.subspan(i));
}

bool HasAvx2() { return __builtin_cpu_supports("avx2"); }

#else

void Avx2Words(const NoiseKey& key, int32_t first, absl::Span<uint32_t> out) {
  PlainWords(key, first, out);
}
bool HasAvx2() { return false; }

#endif

}  // namespace

void NoiseWords(const NoiseKey& key, int32_t first, absl::Span<uint32_t> out) {
  if (HasAvx2()) {
    Avx2Words(key, first, out);
  } else {
    PlainWords(key, first, out);
  }
}

}  // namespace llmrt::sampling
