// Products with F32, F16 and BF16 weights in AVX2 (formulas: ops/matmul.h).
//
// Classes of 16 lanes: two weight rows times three rows of activations at once (for one row of
// activations, four weight rows), two registers of lanes for each pair. The rows of both are padded
// with zeros to 16 values in memory. Chunks are the outer loop: a chunk of a panel of eight weight
// rows stays in the first cache, in float32, while all rows of activations pass by.
//
// bfloat16-pairs: eight weight rows side by side, as in matmul_int8_avx2.cc. A chunk of 512 values
// is transposed by dwords (pairs of values); even and odd values of a pair multiply broadcast
// activations.
#include "cpu/kernels_avx2.h"
#include "cpu/vector_avx2.h"
#include "cpu/weights_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

using backend::kChunkK;

struct Range {
  int64_t begin;
  int64_t end;
};

constexpr int kRows = static_cast<int>(kPanelRows);

// Finished sums of up to kMatMulTileM rows of activations with a panel, to their place.
LLMRT_AVX2_INLINE void StoreTotals(const MatMulTask& task, int64_t n, int64_t m0, int64_t rows,
                                   const float (*totals)[kRows]) {
  const int64_t features = Min(kRows, task.end - n);
  for (int64_t m = 0; m < rows; ++m) {
    float* out = task.out + (m0 + m) * task.out_stride + n;
    __m256 total = _mm256_load_ps(totals[m]);
    if (task.accumulate) total = _mm256_add_ps(LoadPadded(out, 0, features), total);
    StorePadded(out, 0, features, total);
  }
}

// The eight rows of the panel at n. A short panel repeats its last row; those results are not
// stored.
LLMRT_AVX2_INLINE void PointAtPanel(const MatMulTask& task, int64_t n,
                                    const uint8_t* (&weights)[8]) {
  const int64_t features = Min(kRows, task.end - n);
  for (int r = 0; r < kRows; ++r) {
    weights[r] = task.weights + (n + Min(r, features - 1)) * task.row_stride;
  }
}

struct LanesScratch {
  alignas(32) float weights[kRows][kChunkK];  // F16, converted
  alignas(32) float totals[kMatMulTileM][kRows];
};
static_assert(sizeof(LanesScratch) <= kScratchBytes);

template <WeightType kType>
LLMRT_AVX2_INLINE __m256 LoadWeights(const uint8_t* row, int64_t k) {
  if constexpr (kType == WeightType::kF16) return _mm256_cvtph_ps(Load16(row + k * 2));
  return _mm256_loadu_ps(reinterpret_cast<const float*>(row) + k);
}

// Chunk sums of kN weight rows, `w` pointing at the chunk, with kM rows of activations, `a`
// pointing at it, added to totals[i][j].
template <WeightType kType, int kN, int kM>
LLMRT_AVX2_INLINE void AddLanes(const uint8_t* const* w, const float* const* a, int64_t count,
                                float (*totals)[kRows]) {
  Lanes lanes[kM][kN];
  for (auto& row : lanes) {
    for (Lanes& sum : row) sum = ZeroLanes();
  }
  for (int64_t k = 0; k < count; k += 16) {
    for (int j = 0; j < kN; ++j) {
      const __m256 low = LoadWeights<kType>(w[j], k), high = LoadWeights<kType>(w[j], k + 8);
      for (int i = 0; i < kM; ++i) {
        lanes[i][j].low = _mm256_fmadd_ps(low, _mm256_loadu_ps(a[i] + k), lanes[i][j].low);
        lanes[i][j].high = _mm256_fmadd_ps(high, _mm256_loadu_ps(a[i] + k + 8), lanes[i][j].high);
      }
    }
  }
  for (int i = 0; i < kM; ++i) {
    for (int j = 0; j < kN; ++j) totals[i][j] = totals[i][j] + TreeSum(lanes[i][j]);
  }
}

// One chunk of a panel with kM rows of activations.
template <WeightType kType, int kN, int kM>
LLMRT_AVX2_INLINE void AddLanesPanel(const MatMulTask& task, const uint8_t* const (&w)[8],
                                     int64_t m, Range k, float (*totals)[kRows]) {
  const float* a[kM];
  for (int i = 0; i < kM; ++i) {
    a[i] = reinterpret_cast<const float*>(task.activations + (m + i) * task.activation_stride) +
           k.begin;
  }
  for (int j = 0; j < kRows; j += kN) {
    float part[kM][kRows];
    for (int i = 0; i < kM; ++i) {
      for (int n = 0; n < kN; ++n) part[i][n] = totals[i][j + n];
    }
    AddLanes<kType, kN, kM>(w + j, a, k.end - k.begin, part);
    for (int i = 0; i < kM; ++i) {
      for (int n = 0; n < kN; ++n) totals[i][j + n] = part[i][n];
    }
  }
}

// One row of activations: weights are used once, so they are converted as they are read.
template <WeightType kType>
LLMRT_AVX2_INLINE void MultiplyRow(const MatMulTask& task, const uint8_t* const (&weights)[8],
                                   int64_t m, LanesScratch& scratch) {
  constexpr int64_t kBytes = kType == WeightType::kF16 ? 2 : 4;
  for (int64_t k = 0; k < task.cols; k += kChunkK) {
    const uint8_t* w[8];
    for (int r = 0; r < kRows; ++r) w[r] = weights[r] + k * kBytes;
    PrefetchRows(w, 0, Min(task.cols - k, kChunkK) * kBytes, kRows * task.row_stride);
    AddLanesPanel<kType, 4, 1>(task, w, m, {k, Min(task.cols, k + kChunkK)}, scratch.totals);
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE void MultiplyRows(const MatMulTask& task, const uint8_t* const (&weights)[8],
                                    int64_t m0, int64_t rows, LanesScratch& scratch) {
  for (int64_t k = 0; k < task.cols; k += kChunkK) {
    const Range chunk = {k, Min(task.cols, k + kChunkK)};
    const uint8_t* w[8];
    for (int r = 0; r < kRows; ++r) {
      if constexpr (kType == WeightType::kF16) {
        // Whole sixteens, as AddLanes reads them: the row's own padding supplies the zeros. What a
        // kernel before this one left here may be NaN, which times a zero is no zero.
        for (int64_t i = 0; i < RoundUp(chunk.end - k, 16); i += 8) {
          _mm256_store_ps(scratch.weights[r] + i, LoadWeights<kType>(weights[r], k + i));
        }
        w[r] = reinterpret_cast<const uint8_t*>(scratch.weights[r]);
      } else {
        w[r] = weights[r] + k * 4;
      }
    }
    int64_t m = 0;
    for (; m + 3 <= rows; m += 3) {
      AddLanesPanel<WeightType::kF32, 2, 3>(task, w, m0 + m, chunk, scratch.totals + m);
    }
    if (rows - m == 2) {
      AddLanesPanel<WeightType::kF32, 2, 2>(task, w, m0 + m, chunk, scratch.totals + m);
    } else if (rows - m == 1) {
      AddLanesPanel<WeightType::kF32, 4, 1>(task, w, m0 + m, chunk, scratch.totals + m);
    }
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE void MatMulLanes(const MatMulTask& task) {
  LanesScratch& scratch = *reinterpret_cast<LanesScratch*>(task.scratch);
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kMatMulTileM) {
    const int64_t rows = Min(kMatMulTileM, task.num_rows - m0);
    for (int64_t n = task.begin; n < task.end; n += kRows) {
      const uint8_t* weights[8];
      PointAtPanel(task, n, weights);
      for (int64_t m = 0; m < rows; ++m) _mm256_store_ps(scratch.totals[m], _mm256_setzero_ps());
      if (rows == 1) {
        MultiplyRow<kType>(task, weights, m0, scratch);
      } else {
        MultiplyRows<kType>(task, weights, m0, rows, scratch);
      }
      StoreTotals(task, n, m0, rows, scratch.totals);
    }
  }
}

constexpr int kPairsK = 32;  // values that are summed apart, even and odd
constexpr int64_t kChunkPairs = kChunkK / 2;
constexpr int kMatMulM = 4;  // rows of activations at once

struct BFloat16Scratch {
  alignas(32) uint32_t weights[kChunkPairs][kRows];  // [pair of values][row]
  alignas(32) float activations[kMatMulM][kChunkK];
  alignas(32) float totals[kMatMulTileM][kRows];
};
static_assert(sizeof(BFloat16Scratch) <= kScratchBytes);

// `count` values, a multiple of 32, from value k of each of eight rows; prefetches those that lie
// `next_panel` bytes further on.
LLMRT_AVX2_INLINE void TransposePairs(const uint8_t* const (&rows)[8], int64_t k, int64_t count,
                                      int64_t next_panel, BFloat16Scratch& scratch) {
  for (int64_t i = 0; i < count; i += 16) {
    __m256i pairs[8];
    PrefetchRows(rows, (k + i) * 2, (k + i) * 2 + 32, next_panel);
    for (int r = 0; r < kRows; ++r) pairs[r] = Load32(rows[r] + (k + i) * 2);
    Transpose8x8(pairs);
    for (int d = 0; d < 8; ++d) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(scratch.weights[i / 2 + d]), pairs[d]);
    }
  }
}

// The chunk sums of kM rows of activations with the panel, added to their totals.
template <int kM>
LLMRT_AVX2_INLINE void AddPairs(int64_t count, int64_t m, BFloat16Scratch& scratch) {
  const __m256i odd_mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  __m256 acc[kM];
  for (__m256& sum : acc) sum = _mm256_setzero_ps();
  for (int64_t block = 0; block < count; block += kPairsK) {
    Lanes sums[kM];  // low: even values, high: odd values
    for (Lanes& sum : sums) sum = ZeroLanes();
    for (int64_t k = block; k < block + kPairsK; k += 2) {
      const __m256i pair =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(scratch.weights[k / 2]));
      const __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16));
      const __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(pair, odd_mask));
      for (int i = 0; i < kM; ++i) {
        const float* a = scratch.activations[i] + k;
        sums[i].low = _mm256_fmadd_ps(_mm256_broadcast_ss(a), even, sums[i].low);
        sums[i].high = _mm256_fmadd_ps(_mm256_broadcast_ss(a + 1), odd, sums[i].high);
      }
    }
    for (int i = 0; i < kM; ++i) {
      acc[i] = _mm256_add_ps(acc[i], _mm256_add_ps(sums[i].low, sums[i].high));
    }
  }
  for (int i = 0; i < kM; ++i) {
    float* total = scratch.totals[m + i];
    _mm256_store_ps(total, _mm256_add_ps(_mm256_load_ps(total), acc[i]));
  }
}

LLMRT_AVX2_INLINE void WidenActivations(const MatMulTask& task, int64_t m, int64_t rows, int64_t k,
                                        int64_t count, BFloat16Scratch& scratch) {
  for (int64_t i = 0; i < rows; ++i) {
    const uint8_t* in = task.activations + (m + i) * task.activation_stride + k * 2;
    for (int64_t j = 0; j < count; j += 8) {
      _mm256_store_ps(scratch.activations[i] + j, WidenBF16(Load16(in + j * 2)));
    }
  }
}

LLMRT_AVX2_INLINE void MultiplyPairsPanel(const MatMulTask& task,
                                          const uint8_t* const (&weights)[8], int64_t m0,
                                          int64_t rows, BFloat16Scratch& scratch) {
  for (int64_t m = 0; m < rows; ++m) _mm256_store_ps(scratch.totals[m], _mm256_setzero_ps());
  for (int64_t chunk = 0; chunk < task.cols; chunk += kChunkK) {
    // Rows of weights and of activations are padded with zeros to whole 32s.
    const int64_t count = Min(kChunkK, RoundUp(task.cols - chunk, kPairsK));
    TransposePairs(weights, chunk, count, kRows * task.row_stride, scratch);
    int64_t m = 0;
    for (; m + kMatMulM <= rows; m += kMatMulM) {
      WidenActivations(task, m0 + m, kMatMulM, chunk, count, scratch);
      AddPairs<kMatMulM>(count, m, scratch);
    }
    for (; m < rows; ++m) {
      WidenActivations(task, m0 + m, 1, chunk, count, scratch);
      AddPairs<1>(count, m, scratch);
    }
  }
}

}  // namespace

void MatMulF32(const MatMulTask& task) { MatMulLanes<WeightType::kF32>(task); }
void MatMulF16(const MatMulTask& task) { MatMulLanes<WeightType::kF16>(task); }

void MatMulBF16(const MatMulTask& task) {
  BFloat16Scratch& scratch = *reinterpret_cast<BFloat16Scratch*>(task.scratch);
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kMatMulTileM) {
    const int64_t rows = Min(kMatMulTileM, task.num_rows - m0);
    for (int64_t n = task.begin; n < task.end; n += kRows) {
      const uint8_t* weights[8];
      PointAtPanel(task, n, weights);
      MultiplyPairsPanel(task, weights, m0, rows, scratch);
      StoreTotals(task, n, m0, rows, scratch.totals);
    }
  }
}

}  // namespace llmrt::cpu::avx2
