// Products with quantized weights in AVX-512 without VNNI: pairs of byte products are added to
// int16, which must not overflow (vpmaddubsw saturates), and pairs of those to int32.
#include "cpu/kernels_avx512.h"
#include "cpu/matmul_int8_512.h"

namespace llmrt::cpu::avx512 {
namespace {

using backend::WeightType;

// Dwords of unsigned weights of at most `kMost`, times activations within +-127, whose sums of
// pairs fit one int16: 4 bits 8 dwords, 5 bits 4, 6 bits 2.
constexpr int RunOf(int most) { return 32767 / (most * 127 * 2); }

struct MaddEngine {
  template <int kRun, int kCount>
  static inline __attribute__((always_inline)) __m512i SumRuns(__m512i start, const __m512i* w,
                                                               const int8_t* q) {
    constexpr int kStep = kRun < kCount ? kRun : kCount;
    __m512i sum = start;
#pragma GCC unroll 8
    for (int v = 0; v < kCount; v += kStep) {
      __m512i run = _mm512_maddubs_epi16(w[v], x512::BroadcastDword(q + 4 * v));
#pragma GCC unroll 8
      for (int i = v + 1; i < v + kStep; ++i) {
        run = _mm512_add_epi16(run, _mm512_maddubs_epi16(w[i], x512::BroadcastDword(q + 4 * i)));
      }
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(run, _mm512_set1_epi16(1)));
    }
    return sum;
  }

  // Bytes of eight bits are two nibbles: 16 * (sum over the high ones) + (sum over the low ones).
  template <int kCount>
  static inline __attribute__((always_inline)) __m512i SumBytes(__m512i start, const __m512i* w,
                                                                const int8_t* q) {
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int v = 0; v < kCount; ++v) {
      const __m512i a = x512::BroadcastDword(q + 4 * v);
      low = _mm512_add_epi16(low, _mm512_maddubs_epi16(_mm512_and_si512(w[v], nibble), a));
      high = _mm512_add_epi16(
          high, _mm512_maddubs_epi16(_mm512_and_si512(_mm512_srli_epi16(w[v], 4), nibble), a));
    }
    const __m512i one = _mm512_set1_epi16(1);
    const __m512i sum = _mm512_add_epi32(start, _mm512_madd_epi16(low, one));
    return _mm512_add_epi32(sum, _mm512_slli_epi32(_mm512_madd_epi16(high, one), 4));
  }

  // sum[i] += products of kCount dwords of weights with the dwords of row i.
  template <WeightType kType, int kCount, int kRows>
  static inline __attribute__((always_inline)) void Add(const __m512i* w, const int8_t* q,
                                                        __m512i (&sum)[kRows]) {
    for (int i = 0; i < kRows; ++i) {
      const int8_t* row = q + i * kBlockValues;
      if constexpr (kType == WeightType::kQ8_0) {
        sum[i] = SumBytes<kCount>(sum[i], w, row);
      } else {
        constexpr PanelLayout kLayout = LayoutOf(kType);
        constexpr int kMost = kLayout.plane_bytes == 0 ? 15 : kLayout.plane_bytes == 64 ? 31 : 63;
        sum[i] = SumRuns<RunOf(kMost), kCount>(sum[i], w, row);
      }
    }
  }

  template <WeightType kType>
  static inline __attribute__((always_inline)) void AddPanel(const uint8_t* panel, int64_t first,
                                                             int64_t count,
                                                             const x512::BandTiles<kType>& band,
                                                             float (*totals)[kPanelRows]) {
    x512::AddPanelByVectors<MaddEngine>(panel, first, count, band, totals);
  }
};

}  // namespace

void MatMulQ8_0(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ8_0>(task); }
void MatMulQ4_0(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ4_0>(task); }
void MatMulQ4_1(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ4_1>(task); }
void MatMulQ5_0(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ5_0>(task); }
void MatMulQ5_1(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ5_1>(task); }
void MatMulQ4_K(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ4_K>(task); }
void MatMulQ5_K(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ5_K>(task); }
void MatMulQ6_K(const MatMulTask& task) { x512::MatMul<MaddEngine, WeightType::kQ6_K>(task); }

}  // namespace llmrt::cpu::avx512
