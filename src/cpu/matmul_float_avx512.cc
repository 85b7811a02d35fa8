// Products with F32 and F16 weights in AVX-512 (formulas: ops/matmul.h; panels:
// cpu/panel_layout.h): the class of 16 lanes. A vector holds 16 values of K of one feature. One row
// meets all 16 features of a panel at once, two rows eight features, three or four rows four
// features; the sums of a chunk, 16 vectors, then go through one tree together.
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
using x512::CeilDiv;
using x512::FloatRows;
using x512::kHalfPageBytes;
using x512::Min;
using x512::PrefetchToSecond;
using x512::StoreTotals;

constexpr int kLanes = 16;
constexpr int64_t kLaneRows = 4;  // rows of activations at once
// Up to so many rows stream: F16 is widened again for each four of them, which pays until there.
constexpr int64_t kLaneStreamRows = 16;

// The tree of numerics/lanes.h for 16 vectors at once: element v of the result is the sum of v[v].
// Each step adds upper halves to lower halves of two vectors and keeps both results in one.
LLMRT_512_INLINE __m512 SumLanes16(const __m512 (&v)[16]) {
  __m512 s8[8], s4[4], s2[2];
  for (int i = 0; i < 8; ++i) {
    const __m512 a = v[2 * i], b = v[2 * i + 1];
    s8[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  }
  for (int i = 0; i < 4; ++i) {
    const __m512 a = s8[2 * i], b = s8[2 * i + 1];
    s4[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  for (int i = 0; i < 2; ++i) {
    const __m512 a = s4[2 * i], b = s4[2 * i + 1];
    s2[i] = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
  }
  const __m512 sums =
      _mm512_add_ps(_mm512_shuffle_ps(s2[0], s2[1], 0x88), _mm512_shuffle_ps(s2[0], s2[1], 0xdd));
  // Sum v has come to element 4 (v % 4) + v / 4.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_ps(order, sums);
}

// 16 values of a feature; `weights` points at a group of the panel.
template <WeightType kType>
LLMRT_512_INLINE __m512 LoadWeights(const uint8_t* weights, int64_t feature) {
  if constexpr (kType == WeightType::kF16) {
    return _mm512_cvtph_ps(
        _mm256_load_si256(reinterpret_cast<const __m256i*>(weights + feature * 32)));
  }
  return _mm512_load_ps(weights + feature * 64);
}

// The sums of kM rows with kN features as SumLanes16 leaves them, to totals[i][n .. n + kN).
template <int kM, int kN>
LLMRT_512_INLINE void AddSums(__m512 sums, float (*totals)[kPanelRows], int64_t n) {
  if constexpr (kN == 8) {
    float* first = totals[0] + n;
    float* second = totals[1] + n;
    _mm256_store_ps(first, _mm256_add_ps(_mm256_load_ps(first), _mm512_castps512_ps256(sums)));
    _mm256_store_ps(second, _mm256_add_ps(_mm256_load_ps(second), _mm512_extractf32x8_ps(sums, 1)));
    return;
  }
  const __m128 rows[4] = {_mm512_castps512_ps128(sums), _mm512_extractf32x4_ps(sums, 1),
                          _mm512_extractf32x4_ps(sums, 2), _mm512_extractf32x4_ps(sums, 3)};
  for (int i = 0; i < kM; ++i) {
    float* total = totals[i] + n;
    _mm_store_ps(total, _mm_add_ps(_mm_load_ps(total), rows[i]));
  }
}

// One chunk of a panel, `groups` of 16 values from `weights`, with the first of `rows`. Weights are
// read in the order they lie in, and the processor fetches ahead enough by itself.
template <WeightType kType>
LLMRT_512_INLINE void AddOneRow(const uint8_t* weights, int64_t groups, const FloatRows& rows,
                                float* total) {
  constexpr int64_t kGroupBytes = LayoutOf(kType).group_bytes;
  __m512 lanes[kPanelRows];
  for (__m512& sum : lanes) sum = _mm512_setzero_ps();
  for (int64_t g = 0; g < groups; ++g, weights += kGroupBytes) {
    const __m512 a = _mm512_loadu_ps(rows.At(0, g * kLanes));
#pragma GCC unroll 16
    for (int j = 0; j < kPanelRows; ++j) {
      lanes[j] = _mm512_fmadd_ps(LoadWeights<kType>(weights, j), a, lanes[j]);
    }
  }
  AddTo(total, SumLanes16(lanes));
}

// The same with kM rows, 2 x 8, 3 x 4 or 4 x 4 sums at a time. kAsk: asks for about the same place
// in the next chunk; this one is read in steps that no processor guesses.
template <WeightType kType, int kM, bool kAsk>
LLMRT_512_INLINE void AddRowsOf(const uint8_t* weights, int64_t groups, const FloatRows& rows,
                                float (*totals)[kPanelRows]) {
  constexpr int64_t kGroupBytes = LayoutOf(kType).group_bytes;
  constexpr int kN = kM == 2 ? 8 : 4;
  for (int64_t n = 0; n < kPanelRows; n += kN) {
    __m512 lanes[16];  // kN features of the first row, then of the next
    for (__m512& sum : lanes) sum = _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; ++g) {
      const uint8_t* group = weights + g * kGroupBytes;
      if constexpr (kAsk) {
        PrefetchToSecond(
            group + PanelBytes(kType, kChunkK) + kHalfPageBytes + n * kGroupBytes / kPanelRows,
            kN * kGroupBytes / kPanelRows);
      }
      __m512 a[kM];
      for (int i = 0; i < kM; ++i) a[i] = _mm512_loadu_ps(rows.At(i, g * kLanes));
#pragma GCC unroll 8
      for (int j = 0; j < kN; ++j) {
        __m512 w = LoadWeights<kType>(group, n + j);
        asm("" : "+v"(w));  // loaded once, not again for each row
#pragma GCC unroll 4
        for (int i = 0; i < kM; ++i) {
          lanes[i * kN + j] = _mm512_fmadd_ps(w, a[i], lanes[i * kN + j]);
        }
      }
    }
    AddSums<kM, kN>(SumLanes16(lanes), totals, n);
  }
}

// The same with up to kLaneRows rows.
template <WeightType kType, bool kAsk>
LLMRT_512_INLINE void AddLaneRows(const uint8_t* weights, int64_t groups, int64_t num_rows,
                                  const FloatRows& rows, float (*totals)[kPanelRows]) {
  switch (num_rows) {
    case 1:
      return AddOneRow<kType>(weights, groups, rows, totals[0]);
    case 2:
      return AddRowsOf<kType, 2, kAsk>(weights, groups, rows, totals);
    case 3:
      return AddRowsOf<kType, 3, kAsk>(weights, groups, rows, totals);
    default:
      return AddRowsOf<kType, 4, kAsk>(weights, groups, rows, totals);
  }
}

// All rows times panels one after the other, each from end to end; the first rows ask.
template <WeightType kType>
LLMRT_512_INLINE void StreamLanes(const MatMulTask& task) {
  const FloatRows rows = {reinterpret_cast<const float*>(task.activations),
                          task.activation_stride / static_cast<int64_t>(sizeof(float))};
  for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
    const uint8_t* weights = task.panels + panel * task.panel_bytes;
    alignas(64) float totals[kLaneStreamRows][kPanelRows] = {};
    for (int64_t k = 0; k < task.cols; k += kChunkK) {
      const uint8_t* chunk = weights + PanelBytes(kType, k);
      const int64_t groups = CeilDiv(Min(kChunkK, task.cols - k), kLanes);
      AddLaneRows<kType, true>(chunk, groups, Min(kLaneRows, task.num_rows), rows.From(0, k),
                               totals);
      for (int64_t m = kLaneRows; m < task.num_rows; m += kLaneRows) {
        AddLaneRows<kType, false>(chunk, groups, Min(kLaneRows, task.num_rows - m), rows.From(m, k),
                                  totals + m);
      }
    }
    StoreTotals(task, panel, 0, task.num_rows, totals);
  }
}

// For float_bands_512.h. Rows are float32 as they come.
template <WeightType kWeightType>
struct LanesKernel {
  static constexpr WeightType kType = kWeightType;
  static constexpr int64_t kActivationBytes = sizeof(float);
  static constexpr int64_t kRows = kLaneRows;
  static constexpr int64_t kPanels = 8;
  static constexpr int64_t kConvertedPanels = kType == WeightType::kF16 ? kPanels : 1;

  static inline __attribute__((always_inline)) const uint8_t* Weights(
      const uint8_t* at, int64_t count, x512::WeightChunk& converted) {
    if constexpr (kType == WeightType::kF32) return at;
    for (int64_t g = 0; g < count / kLanes; ++g) {
      for (int j = 0; j < kPanelRows; ++j) {
        _mm512_store_ps(converted[g * kLanes + j],
                        LoadWeights<kType>(at + g * LayoutOf(kType).group_bytes, j));
      }
    }
    return reinterpret_cast<const uint8_t*>(converted);
  }

  static inline __attribute__((always_inline)) FloatRows Rows(const uint8_t* at, int64_t stride,
                                                              int64_t, int64_t,
                                                              float (*)[kChunkK]) {
    return {reinterpret_cast<const float*>(at), stride / static_cast<int64_t>(sizeof(float))};
  }

  static inline __attribute__((always_inline)) void AddTile(const uint8_t* weights, int64_t count,
                                                            const FloatRows& rows, int64_t n,
                                                            float (*totals)[kPanelRows]) {
    AddLaneRows<WeightType::kF32, false>(weights, count / kLanes, n, rows, totals);
  }
};

template <WeightType kType>
LLMRT_512_INLINE void MatMulLanes(const MatMulTask& task) {
  if (task.num_rows <= kLaneStreamRows) return StreamLanes<kType>(task);
  x512::MultiplyFloatBands<LanesKernel<kType>>(task);
}

}  // namespace

void MatMulF32(const MatMulTask& task) { MatMulLanes<WeightType::kF32>(task); }
void MatMulF16(const MatMulTask& task) { MatMulLanes<WeightType::kF16>(task); }

}  // namespace llmrt::cpu::avx512
