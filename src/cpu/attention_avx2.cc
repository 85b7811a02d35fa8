// Attention in AVX2: attention_block.h in registers of eight floats.
#include <cstring>

#include "cpu/attention_block.h"
#include "cpu/kernels_avx2.h"
#include "cpu/vector_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

// What the templates of attention_block.h ask of a tier's vectors.
struct Vector {
  using Reg = __m256;
  static constexpr int64_t kWidth = 8;
  // Of 16 registers 4 hold sums, up to 8 partial sums that wait for them in the tree.
  static constexpr int kQueries = 2;
  static constexpr int kUnrolledGroups = 4;
  static constexpr int kKeyVectors = 2;
  // 8 accumulators, 6 loads for 8 multiply-adds.
  static constexpr int kValueQueries = 2;
  static constexpr int kValueVectors = 4;
  static constexpr int64_t kQueriesInPlace = 4;

  LLMRT_AVX2_INLINE Reg Zero() { return _mm256_setzero_ps(); }
  LLMRT_AVX2_INLINE Reg Broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  LLMRT_AVX2_INLINE Reg Load(const float* in) { return _mm256_loadu_ps(in); }
  LLMRT_AVX2_INLINE void Store(float* out, Reg x) { _mm256_storeu_ps(out, x); }
  LLMRT_AVX2_INLINE void StorePadded(float* out, int64_t k, int64_t n, Reg x) {
    avx2::StorePadded(out, k, n, x);
  }
  LLMRT_AVX2_INLINE Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  LLMRT_AVX2_INLINE Reg Sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  LLMRT_AVX2_INLINE Reg Mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  LLMRT_AVX2_INLINE Reg Div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  LLMRT_AVX2_INLINE Reg Fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  // a > b ? a : b, so b where one is NaN.
  LLMRT_AVX2_INLINE Reg Max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  LLMRT_AVX2_INLINE Reg Exp(Reg x) { return avx2::Exp(x); }
  LLMRT_AVX2_INLINE float MaxOf(Reg x) {
    __m128 top = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    top = _mm_max_ps(top, _mm_movehl_ps(top, top));
    return _mm_cvtss_f32(_mm_max_ss(top, _mm_movehdup_ps(top)));
  }
  LLMRT_AVX2_INLINE float SumOf(const Reg (&lanes)[2]) { return TreeSum({lanes[0], lanes[1]}); }
  LLMRT_AVX2_INLINE Reg KeepFirst(Reg x, int64_t count, Reg others) {
    return _mm256_blendv_ps(others, x, _mm256_castsi256_ps(FirstMask(count)));
  }
  // kWidth values of the cache; of a row of n from value k, zeros beyond its end.
  template <KvType kType>
  LLMRT_AVX2_INLINE Reg LoadKv(const uint8_t* in) {
    if constexpr (kType == KvType::kF32) {
      return _mm256_loadu_ps(reinterpret_cast<const float*>(in));
    } else {
      return Widen<kType>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
    }
  }
  template <KvType kType>
  LLMRT_AVX2_INLINE Reg LoadKvPadded(const uint8_t* in, int64_t k, int64_t n) {
    if constexpr (kType == KvType::kF32) {
      return LoadPadded(reinterpret_cast<const float*>(in), k, n);
    } else {
      if (k + kWidth <= n) return LoadKv<kType>(in + k * 2);
      __m128i bits = _mm_setzero_si128();
      if (k < n) std::memcpy(&bits, in + k * 2, static_cast<size_t>(n - k) * 2);
      return Widen<kType>(bits);
    }
  }
  template <KvType kType>
  LLMRT_AVX2_INLINE Reg Widen(__m128i bits) {
    return kType == KvType::kF16 ? _mm256_cvtph_ps(bits) : WidenBF16(bits);
  }
};

}  // namespace

void AttentionF32(const AttentionTask& task) { Attend<Vector, KvType::kF32>(task); }
void AttentionF16(const AttentionTask& task) { Attend<Vector, KvType::kF16>(task); }
void AttentionBF16(const AttentionTask& task) { Attend<Vector, KvType::kBF16>(task); }

}  // namespace llmrt::cpu::avx2
