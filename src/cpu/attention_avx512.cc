// Attention in AVX-512: attention_block.h in registers of sixteen floats.
#include "cpu/attention_block.h"
#include "cpu/kernels_avx512.h"
#include "cpu/vector_avx512.h"

namespace llmrt::cpu::avx512 {
namespace {

// What the templates of attention_block.h ask of a tier's vectors.
struct Vector {
  using Reg = __m512;
  static constexpr int64_t kWidth = 16;
  // 4 queries by 2 vectors of keys: 8 sums, 8 that wait for them in the tree, and 6 loads for 8
  // multiply-adds.
  static constexpr int kQueries = 4;
  static constexpr int kUnrolledGroups = 4;
  static constexpr int kKeyVectors = 2;
  // 16 accumulators, 8 loads for 16 multiply-adds.
  static constexpr int kValueQueries = 4;
  static constexpr int kValueVectors = 4;
  // Converting costs less than half of what two passes of four queries multiply.
  static constexpr int64_t kQueriesInPlace = 8;

  LLMRT_AVX512_INLINE Reg Zero() { return _mm512_setzero_ps(); }
  LLMRT_AVX512_INLINE Reg Broadcast(const float* x) { return _mm512_set1_ps(*x); }
  LLMRT_AVX512_INLINE Reg Load(const float* in) { return _mm512_loadu_ps(in); }
  LLMRT_AVX512_INLINE void Store(float* out, Reg x) { _mm512_storeu_ps(out, x); }
  LLMRT_AVX512_INLINE void StorePadded(float* out, int64_t k, int64_t n, Reg x) {
    avx512::StorePadded(out, k, n, x);
  }
  LLMRT_AVX512_INLINE Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  LLMRT_AVX512_INLINE Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  LLMRT_AVX512_INLINE Reg Mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  LLMRT_AVX512_INLINE Reg Div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  LLMRT_AVX512_INLINE Reg Fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  // a > b ? a : b, so b where one is NaN.
  LLMRT_AVX512_INLINE Reg Max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  LLMRT_AVX512_INLINE Reg Exp(Reg x) { return avx512::Exp(x); }
  LLMRT_AVX512_INLINE float MaxOf(Reg x) { return TreeMax(x); }
  LLMRT_AVX512_INLINE float SumOf(const Reg (&lanes)[1]) { return TreeSum(lanes[0]); }
  LLMRT_AVX512_INLINE Reg KeepFirst(Reg x, int64_t count, Reg others) {
    return _mm512_mask_mov_ps(others, FirstMask(count), x);
  }
  // kWidth values of the cache; of a row of n from value k, zeros beyond its end.
  template <KvType kType>
  LLMRT_AVX512_INLINE Reg LoadKv(const uint8_t* in) {
    return LoadKvPadded<kType>(in, 0, kWidth);
  }
  template <KvType kType>
  LLMRT_AVX512_INLINE Reg LoadKvPadded(const uint8_t* in, int64_t k, int64_t n) {
    if constexpr (kType == KvType::kF32) {
      return LoadPadded(reinterpret_cast<const float*>(in), k, n);
    } else {
      const __m256i bits = LoadPadded16(reinterpret_cast<const uint16_t*>(in), k, n);
      return kType == KvType::kF16 ? WidenF16(bits) : WidenBF16(bits);
    }
  }
};

}  // namespace

void AttentionF32(const AttentionTask& task) { Attend<Vector, KvType::kF32>(task); }
void AttentionF16(const AttentionTask& task) { Attend<Vector, KvType::kF16>(task); }
void AttentionBF16(const AttentionTask& task) { Attend<Vector, KvType::kBF16>(task); }

}  // namespace llmrt::cpu::avx512
