// Norm, preparation of activations, rotation, cache stores and the gated activation in AVX2: the
// bits of elementwise_portable.cc.
#include <cstring>

#include "cpu/kernels_avx2.h"
#include "cpu/vector_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

namespace constants = numerics::constants;

// backend::ActivationBlock, and the sizes of its header, without the header's inline functions.
constexpr int64_t kBlockValues = backend::kActivationBlockValues;
constexpr int64_t kBlockBytes = sizeof(backend::ActivationBlock);
constexpr int64_t kRowAlignment = 128;  // as backend::ActivationRowBytes has it

LLMRT_AVX2_INLINE void StoreF16(__m256 value, int64_t count, uint8_t* out) {
  const __m128i bits = _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT);
  if (count >= 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bits);
  } else {
    std::memcpy(out, &bits, count * 2);
  }
}

LLMRT_AVX2_INLINE void StoreBF16(__m256 value, int64_t count, uint8_t* out) {
  const __m128i bits = NarrowBF16(value);
  if (count >= 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bits);
  } else {
    std::memcpy(out, &bits, count * 2);
  }
}

// Quantizes 32 values as numerics::QuantizeBlock32 does.
LLMRT_AVX2_INLINE void QuantizeBlock(const __m256 (&x)[4], uint8_t* out) {
  const __m256i magnitude_mask = _mm256_set1_epi32(0x7fffffff);
  __m256i top8 = _mm256_setzero_si256();
  for (const __m256& part : x) {
    top8 = _mm256_max_epu32(top8, _mm256_and_si256(_mm256_castps_si256(part), magnitude_mask));
  }
  __m128i top4 = _mm_max_epu32(_mm256_castsi256_si128(top8), _mm256_extracti128_si256(top8, 1));
  top4 = _mm_max_epu32(top4, _mm_shuffle_epi32(top4, _MM_SHUFFLE(1, 0, 3, 2)));
  top4 = _mm_max_epu32(top4, _mm_shuffle_epi32(top4, _MM_SHUFFLE(2, 3, 0, 1)));
  const uint32_t top = static_cast<uint32_t>(_mm_cvtsi128_si32(top4));

  float scale = _mm_cvtss_f32(_mm_castsi128_ps(top4)) / 127.0f;
  __m256i q[4];
  if (top >= 0x7f800000u || !(scale >= constants::kMinNormal)) {
    for (__m256i& part : q) part = _mm256_setzero_si256();
    scale = 0.0f;
    if (top >= 0x7f800000u) {
      scale = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(constants::kNanBits)));
    }
  } else {
    const __m256 inverse = _mm256_set1_ps(1.0f / scale);
    const __m256 magic = _mm256_set1_ps(constants::kRoundMagic);
    for (int i = 0; i < 4; ++i) {
      const __m256 shifted = _mm256_add_ps(_mm256_mul_ps(x[i], inverse), magic);
      __m256 rounded = _mm256_sub_ps(shifted, magic);
      rounded = _mm256_min_ps(rounded, _mm256_set1_ps(127.0f));
      rounded = _mm256_max_ps(rounded, _mm256_set1_ps(-127.0f));
      q[i] = _mm256_cvttps_epi32(rounded);
    }
  }
  const __m256i sum8 = _mm256_add_epi32(_mm256_add_epi32(q[0], q[1]), _mm256_add_epi32(q[2], q[3]));
  __m128i sum4 = _mm_add_epi32(_mm256_castsi256_si128(sum8), _mm256_extracti128_si256(sum8, 1));
  sum4 = _mm_add_epi32(sum4, _mm_shuffle_epi32(sum4, _MM_SHUFFLE(1, 0, 3, 2)));
  sum4 = _mm_add_epi32(sum4, _mm_shuffle_epi32(sum4, _MM_SHUFFLE(2, 3, 0, 1)));
  const int32_t sum = _mm_cvtsi128_si32(sum4);

  // Packing works within halves of 128 bits; the permutation restores the order of dwords.
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  std::memcpy(out, &scale, sizeof(scale));
  std::memcpy(out + 4, &sum, sizeof(sum));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8),
                      _mm256_permutevar8x32_epi32(bytes, order));
}

}  // namespace

void StoreKvF32(const float* in, int64_t count, uint8_t* out) {
  std::memcpy(out, in, count * sizeof(float));
}

void StoreKvF16(const float* in, int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < count; i += 8) {
    StoreF16(LoadPadded(in, i, count), count - i, out + i * 2);
  }
}

void StoreKvBF16(const float* in, int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < count; i += 8) {
    StoreBF16(LoadPadded(in, i, count), count - i, out + i * 2);
  }
}

void PrepareF32(const float* in, int64_t cols, uint8_t* out) {
  const int64_t bytes = cols * static_cast<int64_t>(sizeof(float));
  std::memcpy(out, in, bytes);
  std::memset(out + bytes, 0, RoundUp(bytes, kRowAlignment) - bytes);
}

void PrepareBF16(const float* in, int64_t cols, uint8_t* out) {
  StoreKvBF16(in, cols, out);
  const int64_t bytes = cols * 2;
  std::memset(out + bytes, 0, RoundUp(bytes, kRowAlignment) - bytes);
}

void PrepareInt8(const float* in, int64_t cols, uint8_t* out) {
  for (int64_t k = 0; k < cols; k += kBlockValues, out += kBlockBytes) {
    const __m256 x[4] = {LoadPadded(in, k, cols), LoadPadded(in, k + 8, cols),
                         LoadPadded(in, k + 16, cols), LoadPadded(in, k + 24, cols)};
    QuantizeBlock(x, out);
  }
}

void RmsNorm(const RmsNormTask& task) {
  float sum = 0.0f;
  for (int64_t chunk = 0; chunk < task.dim; chunk += backend::kChunkK) {
    const int64_t end = Min(task.dim, chunk + backend::kChunkK);
    Lanes lanes = ZeroLanes();
    for (int64_t k = chunk; k < end; k += 16) {
      const __m256 low = LoadPadded(task.in, k, end), high = LoadPadded(task.in, k + 8, end);
      lanes.low = _mm256_fmadd_ps(low, low, lanes.low);
      lanes.high = _mm256_fmadd_ps(high, high, lanes.high);
    }
    sum = sum + TreeSum(lanes);
  }
  const float mean = sum / static_cast<float>(task.dim);
  const float scale = 1.0f / __builtin_sqrtf(mean + task.epsilon);
  const __m256 scales = _mm256_set1_ps(scale);
  for (int64_t i = 0; i < task.dim; i += 8) {
    const __m256 scaled = _mm256_mul_ps(LoadPadded(task.in, i, task.dim), scales);
    StorePadded(task.out, i, task.dim, _mm256_mul_ps(scaled, LoadPadded(task.weight, i, task.dim)));
  }
}

void Rope(const RopeTask& task) {
  for (int64_t head = 0; head < task.num_heads; ++head) {
    float* heads = task.heads + head * task.head_dim;
    for (int64_t i = 0; i < task.rope_dims; i += 8) {
      const __m256 angles = LoadPadded(task.table, i, task.rope_dims);  // c0 s0 c1 s1 ...
      const __m256 x = LoadPadded(heads, i, task.rope_dims);
      const __m256 swapped = _mm256_permute_ps(x, _MM_SHUFFLE(2, 3, 0, 1));
      // Even elements: fma(x0, c, -(x1 s)); odd elements: fma(x1, c, x0 s).
      const __m256 cross = _mm256_mul_ps(swapped, _mm256_movehdup_ps(angles));
      StorePadded(heads, i, task.rope_dims,
                  _mm256_fmaddsub_ps(x, _mm256_moveldup_ps(angles), cross));
    }
  }
}

void SwiGlu(const float* gate, const float* up, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += 8) {
    const __m256 silu = Silu(LoadPadded(gate, i, count));
    StorePadded(out, i, count, _mm256_mul_ps(silu, LoadPadded(up, i, count)));
  }
}

}  // namespace llmrt::cpu::avx2
