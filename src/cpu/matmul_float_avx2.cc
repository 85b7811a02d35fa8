// Products with F32, F16 and BF16 weights in AVX2 (formulas: ops/matmul.h).
//
// Classes of 16 lanes: a few weight rows times a few rows of activations at once, two registers of
// lanes for each pair. The rows of both are padded with zeros to 16 values in memory.
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

// Adds or stores one finished sum.
LLMRT_AVX2_INLINE void Store(const MatMulTask& task, int64_t m, int64_t n, float total) {
  float& out = task.out[m * task.out_stride + n];
  out = task.accumulate ? out + total : total;
}

template <WeightType kType>
LLMRT_AVX2_INLINE __m256 LoadWeights(const uint8_t* row, int64_t k) {
  if constexpr (kType == WeightType::kF16) return _mm256_cvtph_ps(Load16(row + k * 2));
  return _mm256_loadu_ps(reinterpret_cast<const float*>(row) + k);
}

// kN weight rows from n times kM rows of activations from m.
template <WeightType kType, int kN, int kM>
LLMRT_AVX2_INLINE void MultiplyTile(const MatMulTask& task, int64_t n, int64_t m) {
  const uint8_t* w[kN];
  const float* a[kM];
  for (int j = 0; j < kN; ++j) w[j] = task.weights + (n + j) * task.row_stride;
  for (int i = 0; i < kM; ++i) {
    a[i] = reinterpret_cast<const float*>(task.activations + (m + i) * task.activation_stride);
  }
  float totals[kM][kN] = {};
  for (int64_t chunk = 0; chunk < task.cols; chunk += kChunkK) {
    const int64_t end = Min(task.cols, chunk + kChunkK);
    Lanes lanes[kM][kN];
    for (auto& row : lanes) {
      for (Lanes& sum : row) sum = ZeroLanes();
    }
    for (int64_t k = chunk; k < end; k += 16) {
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
  for (int i = 0; i < kM; ++i) {
    for (int j = 0; j < kN; ++j) Store(task, m + i, n + j, totals[i][j]);
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE void MatMulLanes(const MatMulTask& task) {
  int64_t m = 0;
  if (task.num_rows >= 3) {
    // Two weight rows stay in the first cache while the activations pass by.
    for (int64_t n = task.begin; n < task.end; n += 2) {
      const bool pair = n + 2 <= task.end;
      for (m = 0; m + 3 <= task.num_rows; m += 3) {
        if (pair) {
          MultiplyTile<kType, 2, 3>(task, n, m);
        } else {
          MultiplyTile<kType, 1, 3>(task, n, m);
        }
      }
    }
  }
  for (; m < task.num_rows; ++m) {
    int64_t n = task.begin;
    for (; n + 4 <= task.end; n += 4) MultiplyTile<kType, 4, 1>(task, n, m);
    for (; n < task.end; ++n) MultiplyTile<kType, 1, 1>(task, n, m);
  }
}

constexpr int kRows = static_cast<int>(kPanelRows);
constexpr int kPairsK = 32;  // values that are summed apart, even and odd
constexpr int64_t kChunkPairs = kChunkK / 2;
constexpr int kMatMulM = 4;  // rows of activations at once

struct BFloat16Scratch {
  alignas(32) uint32_t weights[kChunkPairs][kRows];  // [pair of values][row]
  alignas(32) float activations[kMatMulM][kChunkK];
  alignas(32) float totals[kMatMulTileM][kRows];
};
static_assert(sizeof(BFloat16Scratch) <= kScratchBytes);

// `count` values, a multiple of 32, from value k of each of eight rows.
LLMRT_AVX2_INLINE void TransposePairs(const uint8_t* const (&rows)[8], int64_t k, int64_t count,
                                      BFloat16Scratch& scratch) {
  for (int64_t i = 0; i < count; i += 16) {
    __m256i pairs[8];
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
    TransposePairs(weights, chunk, count, scratch);
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
      const int64_t features = Min(kRows, task.end - n);
      // A short panel repeats its last row; those results are not stored.
      const uint8_t* weights[8];
      for (int r = 0; r < kRows; ++r) {
        weights[r] = task.weights + (n + Min(r, features - 1)) * task.row_stride;
      }
      MultiplyPairsPanel(task, weights, m0, rows, scratch);
      for (int64_t m = 0; m < rows; ++m) {
        float* out = task.out + (m0 + m) * task.out_stride + n;
        __m256 total = _mm256_load_ps(scratch.totals[m]);
        if (task.accumulate) total = _mm256_add_ps(LoadPadded(out, 0, features), total);
        StorePadded(out, 0, features, total);
      }
    }
  }
}

}  // namespace llmrt::cpu::avx2
