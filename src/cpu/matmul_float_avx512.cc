// Products with F32, F16 and BF16 weights in AVX-512 (formulas: ops/matmul.h; panels:
// cpu/panel_layout.h).
//
// Classes of 16 lanes: a vector holds 16 values of K of one feature. One row meets all 16 features
// of a panel at once, more rows go in pairs with eight features; the 16 accumulators of a chunk are
// then summed by one tree for all. bfloat16-pairs: a vector holds a pair of values of each of 16
// features; even and odd values multiply broadcast activations.
//
// A band of rows passes by while a chunk of a panel, in float32 where several rows share it, stays
// in the first cache.
#include <immintrin.h>

#include <cstdint>

#include "cpu/kernels_avx512.h"
#include "cpu/panel_512.h"

namespace llmrt::cpu::avx512 {
namespace {

using backend::kChunkK;
using backend::WeightType;
using x512::AddTo;
using x512::Min;
using x512::PrefetchAhead;
using x512::RoundUp;
using x512::StoreTotals;

constexpr int64_t kBandRows = 128;
constexpr int kLanes = 16;

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

struct LanesScratch {
  alignas(64) float weights[kChunkK / kLanes][kPanelRows][kLanes];  // F16, converted
  alignas(64) float totals[kBandRows][kPanelRows];
};
static_assert(sizeof(LanesScratch) <= kScratchBytes);

// 16 values of a feature; `weights` points at a group of the panel.
template <WeightType kType>
LLMRT_512_INLINE __m512 LoadWeights(const uint8_t* weights, int64_t feature) {
  if constexpr (kType == WeightType::kF16) {
    return _mm512_cvtph_ps(
        _mm256_load_si256(reinterpret_cast<const __m256i*>(weights + feature * 32)));
  }
  return _mm512_load_ps(weights + feature * 64);
}

// Values [k, k + 16) of a row of activations, whose padding is zeros.
LLMRT_512_INLINE __m512 LoadActivations(const MatMulTask& task, int64_t m, int64_t k) {
  const uint8_t* row = task.activations + m * task.activation_stride;
  return _mm512_loadu_ps(reinterpret_cast<const float*>(row) + k);
}

// One chunk of a panel, `groups` of 16 values from `weights`, with row m.
template <WeightType kType>
LLMRT_512_INLINE void AddOneRow(const MatMulTask& task, const uint8_t* weights, int64_t m,
                                int64_t k, int64_t groups, float* total) {
  constexpr int64_t kGroupBytes = LayoutOf(kType).group_bytes;
  __m512 lanes[kPanelRows];
  for (__m512& sum : lanes) sum = _mm512_setzero_ps();
  for (int64_t g = 0; g < groups; ++g, weights += kGroupBytes) {
    PrefetchAhead(weights, kGroupBytes);
    const __m512 a = LoadActivations(task, m, k + g * kLanes);
#pragma GCC unroll 16
    for (int j = 0; j < kPanelRows; ++j) {
      lanes[j] = _mm512_fmadd_ps(LoadWeights<kType>(weights, j), a, lanes[j]);
    }
  }
  AddTo(total, SumLanes16(lanes));
}

// The same with rows m and m + 1, eight features at a time.
template <WeightType kType>
LLMRT_512_INLINE void AddTwoRows(const MatMulTask& task, const uint8_t* weights, int64_t m,
                                 int64_t k, int64_t groups, float (*totals)[kPanelRows]) {
  constexpr int64_t kGroupBytes = LayoutOf(kType).group_bytes;
  for (int64_t half = 0; half < kPanelRows; half += 8) {
    __m512 lanes[16];  // eight features of the first row, then of the second
    for (__m512& sum : lanes) sum = _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; ++g) {
      const __m512 a = LoadActivations(task, m, k + g * kLanes);
      const __m512 b = LoadActivations(task, m + 1, k + g * kLanes);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        const __m512 w = LoadWeights<kType>(weights + g * kGroupBytes, half + j);
        lanes[j] = _mm512_fmadd_ps(w, a, lanes[j]);
        lanes[j + 8] = _mm512_fmadd_ps(w, b, lanes[j + 8]);
      }
    }
    const __m512 sums = SumLanes16(lanes);
    float* first = totals[0] + half;
    float* second = totals[1] + half;
    _mm256_store_ps(first, _mm256_add_ps(_mm256_load_ps(first), _mm512_castps512_ps256(sums)));
    _mm256_store_ps(second, _mm256_add_ps(_mm256_load_ps(second), _mm512_extractf32x8_ps(sums, 1)));
  }
}

// A chunk of a panel: `count` groups of 16 values, or values, from value k on.
struct Chunk {
  const uint8_t* weights;
  int64_t k;
  int64_t count;
};

// One chunk with the rows of a band.
template <WeightType kType>
LLMRT_512_INLINE void AddRows(const MatMulTask& task, const Chunk& chunk, int64_t m0, int64_t rows,
                              float (*totals)[kPanelRows]) {
  int64_t m = 0;
  for (; m + 2 <= rows; m += 2) {
    AddTwoRows<kType>(task, chunk.weights, m0 + m, chunk.k, chunk.count, totals + m);
  }
  if (m < rows) {
    AddOneRow<kType>(task, chunk.weights, m0 + m, chunk.k, chunk.count, totals[m]);
  }
}

// From so many rows on a chunk of F16 weights is converted once for all of them.
constexpr int64_t kConvertRows = 3;

template <WeightType kType>
LLMRT_512_INLINE void MultiplyLanes(const MatMulTask& task, int64_t panel, int64_t m0, int64_t rows,
                                    LanesScratch& scratch) {
  constexpr int64_t kGroupBytes = LayoutOf(kType).group_bytes;
  for (int64_t m = 0; m < rows; ++m) _mm512_store_ps(scratch.totals[m], _mm512_setzero_ps());
  const uint8_t* weights = task.panels + panel * task.panel_bytes;
  for (int64_t k = 0; k < task.cols; k += kChunkK) {
    const int64_t groups = (Min(kChunkK, task.cols - k) + kLanes - 1) / kLanes;
    const uint8_t* chunk = weights + k / kLanes * kGroupBytes;
    if (kType == WeightType::kF32 || rows < kConvertRows) {
      AddRows<kType>(task, {chunk, k, groups}, m0, rows, scratch.totals);
      continue;
    }
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t j = 0; j < kPanelRows; ++j) {
        _mm512_store_ps(scratch.weights[g][j], LoadWeights<kType>(chunk + g * kGroupBytes, j));
      }
    }
    AddRows<WeightType::kF32>(task, {reinterpret_cast<const uint8_t*>(scratch.weights), k, groups},
                              m0, rows, scratch.totals);
  }
}

template <WeightType kType>
LLMRT_512_INLINE void MatMulLanes(const MatMulTask& task) {
  LanesScratch& scratch = *reinterpret_cast<LanesScratch*>(task.scratch);
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kBandRows) {
    const int64_t rows = Min(kBandRows, task.num_rows - m0);
    for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
      MultiplyLanes<kType>(task, panel, m0, rows, scratch);
      StoreTotals(task, panel, m0, rows, scratch.totals);
    }
  }
}

constexpr int kPairsK = 32;  // values that are summed apart, even and odd
constexpr int64_t kPairBytes = 64;
constexpr int kPairRows = 8;  // rows of activations at once

struct PairsScratch {
  alignas(64) float activations[kPairRows][kChunkK];
  alignas(64) float totals[kBandRows][kPanelRows];
};
static_assert(sizeof(PairsScratch) <= kScratchBytes);

// The chunk sums of kM rows of activations with the chunk of a panel, added to their totals.
template <int kM>
LLMRT_512_INLINE void AddPairs(const uint8_t* weights, int64_t count,
                               const float (*activations)[kChunkK], float (*totals)[kPanelRows]) {
  const __m512i odd_mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  __m512 acc[kM];
  for (__m512& sum : acc) sum = _mm512_setzero_ps();
  for (int64_t block = 0; block < count; block += kPairsK) {
    __m512 even_sum[kM], odd_sum[kM];
    for (int i = 0; i < kM; ++i) even_sum[i] = odd_sum[i] = _mm512_setzero_ps();
    for (int64_t k = block; k < block + kPairsK; k += 2) {
      const uint8_t* address = weights + k / 2 * kPairBytes;
      PrefetchAhead(address, kPairBytes);
      const __m512i pair = _mm512_load_si512(address);
      const __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
      const __m512 odd = _mm512_castsi512_ps(_mm512_and_si512(pair, odd_mask));
#pragma GCC unroll 8
      for (int i = 0; i < kM; ++i) {
        even_sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(activations[i][k]), even, even_sum[i]);
        odd_sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(activations[i][k + 1]), odd, odd_sum[i]);
      }
    }
    for (int i = 0; i < kM; ++i) {
      acc[i] = _mm512_add_ps(acc[i], _mm512_add_ps(even_sum[i], odd_sum[i]));
    }
  }
  for (int i = 0; i < kM; ++i) AddTo(totals[i], acc[i]);
}

LLMRT_512_INLINE void WidenActivations(const MatMulTask& task, int64_t m, int64_t rows, int64_t k,
                                       int64_t count, PairsScratch& scratch) {
  for (int64_t i = 0; i < rows; ++i) {
    const uint8_t* in = task.activations + (m + i) * task.activation_stride + k * 2;
    for (int64_t j = 0; j < count; j += 16) {
      const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + j * 2));
      const __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
      _mm512_store_si512(scratch.activations[i] + j, wide);
    }
  }
}

// Rows of weights and of activations are padded with zeros to whole 32s.
template <int kM>
LLMRT_512_INLINE void AddPairsRows(const MatMulTask& task, const Chunk& chunk, int64_t m0,
                                   int64_t m, PairsScratch& scratch) {
  WidenActivations(task, m0 + m, kM, chunk.k, chunk.count, scratch);
  AddPairs<kM>(chunk.weights, chunk.count, scratch.activations, scratch.totals + m);
}

LLMRT_512_INLINE void MultiplyPairs(const MatMulTask& task, int64_t panel, int64_t m0, int64_t rows,
                                    PairsScratch& scratch) {
  for (int64_t m = 0; m < rows; ++m) _mm512_store_ps(scratch.totals[m], _mm512_setzero_ps());
  const uint8_t* weights = task.panels + panel * task.panel_bytes;
  for (int64_t k = 0; k < task.cols; k += kChunkK) {
    const Chunk chunk = {weights + k / 2 * kPairBytes, k,
                         Min(kChunkK, RoundUp(task.cols - k, kPairsK))};
    int64_t m = 0;
    for (; m + kPairRows <= rows; m += kPairRows) {
      AddPairsRows<kPairRows>(task, chunk, m0, m, scratch);
    }
    for (; m + 2 <= rows; m += 2) AddPairsRows<2>(task, chunk, m0, m, scratch);
    if (m < rows) AddPairsRows<1>(task, chunk, m0, m, scratch);
  }
}

}  // namespace

void MatMulF32(const MatMulTask& task) { MatMulLanes<WeightType::kF32>(task); }
void MatMulF16(const MatMulTask& task) { MatMulLanes<WeightType::kF16>(task); }

void MatMulBF16(const MatMulTask& task) {
  PairsScratch& scratch = *reinterpret_cast<PairsScratch*>(task.scratch);
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kBandRows) {
    const int64_t rows = Min(kBandRows, task.num_rows - m0);
    for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
      MultiplyPairs(task, panel, m0, rows, scratch);
      StoreTotals(task, panel, m0, rows, scratch.totals);
    }
  }
}

}  // namespace llmrt::cpu::avx512
