// Products with BF16 weights in AVX-512 (formulas: ops/matmul.h; panels: cpu/panel_layout.h): the
// class bfloat16-pairs. A vector holds a pair of values of each of 16 features; even and odd values
// multiply broadcast activations, which were widened before.
//
// Few rows wait for memory: each panel is read forward from end to end, and the first rows ask for
// what comes. Many rows wait for arithmetic and go in bands (cpu/float_bands_512.h).
#include <immintrin.h>

#include <cstdint>

#include "cpu/float_bands_512.h"
#include "cpu/kernels_avx512.h"

namespace llmrt::cpu::avx512 {
namespace {

using backend::kChunkK;
using backend::WeightType;
using x512::AddTo;
using x512::FloatRows;
using x512::kHalfPageBytes;
using x512::Min;
using x512::PrefetchToSecond;
using x512::RoundUp;
using x512::StoreTotals;

constexpr int kPairsK = 32;  // values that are summed apart, even and odd
constexpr int64_t kPairBytes = 64;
constexpr int64_t kAskBytes = 4096 + kHalfPageBytes;  // streamed weights are asked for so far ahead
constexpr int64_t kPairRows = 8;                      // rows of activations at once
// Up to so many rows stream, if their values in float32 fit the scratch memory.
constexpr int64_t kPairStreamRows = 32;

// The chunk sums of kM rows with a chunk of a panel, added to their totals. kAsk: asks for weights
// that follow; for a single row, which is as fast as memory, the processor does so by itself.
template <int kM, bool kAsk>
LLMRT_512_INLINE void AddPairs(const uint8_t* weights, int64_t count, const FloatRows& rows,
                               float (*totals)[kPanelRows]) {
  const __m512i odd_mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  __m512 acc[kM];
  for (__m512& sum : acc) sum = _mm512_setzero_ps();
  for (int64_t block = 0; block < count; block += kPairsK) {
    __m512 even_sum[kM], odd_sum[kM];
    for (int i = 0; i < kM; ++i) even_sum[i] = odd_sum[i] = _mm512_setzero_ps();
#pragma GCC unroll 2
    for (int64_t k = block; k < block + kPairsK; k += 2) {
      const uint8_t* address = weights + k / 2 * kPairBytes;
      if constexpr (kAsk && kM > 1) PrefetchToSecond(address + kAskBytes, kPairBytes);
      const __m512i pair = _mm512_load_si512(address);
      const __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
      const __m512 odd = _mm512_castsi512_ps(_mm512_and_si512(pair, odd_mask));
#pragma GCC unroll 8
      for (int i = 0; i < kM; ++i) {
        const float* a = rows.At(i, k);
        even_sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(a[0]), even, even_sum[i]);
        odd_sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(a[1]), odd, odd_sum[i]);
      }
    }
    for (int i = 0; i < kM; ++i) {
      acc[i] = _mm512_add_ps(acc[i], _mm512_add_ps(even_sum[i], odd_sum[i]));
    }
  }
  for (int i = 0; i < kM; ++i) AddTo(totals[i], acc[i]);
}

// The same with up to kPairRows rows.
template <bool kAsk>
LLMRT_512_INLINE void AddPairRows(const uint8_t* weights, int64_t count, int64_t num_rows,
                                  const FloatRows& rows, float (*totals)[kPanelRows]) {
  int64_t m = 0;
  if (num_rows == 8) return AddPairs<8, kAsk>(weights, count, rows, totals);
  if (num_rows >= 4) {
    AddPairs<4, kAsk>(weights, count, rows, totals);
    m = 4;
  }
  if (m + 2 <= num_rows) {
    AddPairs<2, kAsk>(weights, count, rows.From(m, 0), totals + m);
    m += 2;
  }
  if (m < num_rows) AddPairs<1, kAsk>(weights, count, rows.From(m, 0), totals + m);
}

// Values [0, count) of a row of activations, padded with zeros to whole 32s, in float32.
LLMRT_512_INLINE void WidenRow(const uint8_t* row, int64_t count, float* out) {
  for (int64_t j = 0; j < count; j += 16) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + j * 2));
    _mm512_store_si512(out + j, _mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
}

// For float_bands_512.h. Weights are read as they lie, rows are widened.
struct PairsKernel {
  static constexpr WeightType kType = WeightType::kBF16;
  static constexpr int64_t kActivationBytes = 2;
  static constexpr int64_t kRows = kPairRows;
  static constexpr int64_t kPanels = 16;
  static constexpr int64_t kConvertedPanels = 1;

  static inline __attribute__((always_inline)) const uint8_t* Weights(const uint8_t* at, int64_t,
                                                                      x512::WeightChunk&) {
    return at;
  }

  static inline __attribute__((always_inline)) FloatRows Rows(const uint8_t* at, int64_t stride,
                                                              int64_t n, int64_t count,
                                                              float (*out)[kChunkK]) {
    for (int64_t i = 0; i < n; ++i) WidenRow(at + i * stride, count, out[i]);
    return {out[0], kChunkK};
  }

  static inline __attribute__((always_inline)) void AddTile(const uint8_t* weights, int64_t count,
                                                            const FloatRows& rows, int64_t n,
                                                            float (*totals)[kPanelRows]) {
    AddPairRows<false>(weights, count, n, rows, totals);
  }
};

// All rows, widened once, times panels one after the other.
LLMRT_512_INLINE void StreamPairs(const MatMulTask& task, int64_t cols) {
  auto* widened = reinterpret_cast<float*>(task.scratch);
  for (int64_t m = 0; m < task.num_rows; ++m) {
    WidenRow(task.activations + m * task.activation_stride, cols, widened + m * cols);
  }
  for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
    const uint8_t* weights = task.panels + panel * task.panel_bytes;
    alignas(64) float totals[kPairStreamRows][kPanelRows] = {};
    for (int64_t k = 0; k < cols; k += kChunkK) {
      const uint8_t* chunk = weights + PanelBytes(WeightType::kBF16, k);
      const int64_t count = Min(kChunkK, cols - k);
      const FloatRows rows = {widened + k, cols};
      AddPairRows<true>(chunk, count, Min(kPairRows, task.num_rows), rows, totals);
      for (int64_t m = kPairRows; m < task.num_rows; m += kPairRows) {
        AddPairRows<false>(chunk, count, Min(kPairRows, task.num_rows - m), rows.From(m, 0),
                           totals + m);
      }
    }
    StoreTotals(task, panel, 0, task.num_rows, totals);
  }
}

}  // namespace

void MatMulBF16(const MatMulTask& task) {
  const int64_t cols = RoundUp(task.cols, kPairsK);
  const bool fits = task.num_rows * cols * static_cast<int64_t>(sizeof(float)) <= kScratchBytes;
  if (task.num_rows <= kPairStreamRows && fits) return StreamPairs(task, cols);
  x512::MultiplyFloatBands<PairsKernel>(task);
}

}  // namespace llmrt::cpu::avx512
