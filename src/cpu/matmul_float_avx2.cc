// Products with F32, F16 and BF16 weights in AVX2 (formulas: ops/matmul.h; panels:
// cpu/panel_layout.h).
//
// Classes of 16 lanes: a register holds eight values of K of one feature, and two its lanes with a
// row of activations. Four features meet one row, or two features two or three rows, as they lie in
// the panel: F16 is widened each time, which costs less than a copy. A chunk of a panel stays in
// the caches while all rows pass by.
//
// bfloat16-pairs: a vector holds a pair of values of each of eight features; even and odd values
// multiply broadcast activations, which are widened once: all of K for few rows, which then read
// whole panels forward; chunk by chunk for a number of panels where rows are many.
#include "cpu/kernels_avx2.h"
#include "cpu/panel_avx2.h"
#include "cpu/vector_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

using backend::kChunkK;

constexpr int kLaneCount = 16;
constexpr int64_t kRowsOfLanes = 128;  // that pass by while a chunk of a panel is in the caches

// Of a panel: bytes from one group of 16 values to the next, from one feature to the next, and to
// the next chunk.
template <WeightType kType>
struct LanesLayout {
  static constexpr int64_t kGroup = LayoutOf(kType).group_bytes;
  static constexpr int64_t kFeature = kGroup / kPanelRows;
  static constexpr int64_t kChunk = kChunkK / kLaneCount * kGroup;
};

// Values 8 part to 8 part + 7 of a group of a feature.
template <WeightType kType>
LLMRT_AVX2_INLINE __m256 LoadWeights(const uint8_t* weights, int part) {
  if constexpr (kType == WeightType::kF16) {
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(weights) + part));
  }
  return _mm256_load_ps(reinterpret_cast<const float*>(weights) + part * 8);
}

// One chunk of kN features from `w` with kM rows from `a`, added to totals[i][j]. kAsk: asks for
// about the same place in the next chunk.
template <WeightType kType, int kN, int kM, bool kAsk>
LLMRT_AVX2_INLINE void AddLanes(const uint8_t* w, const float* const (&a)[kM], int64_t groups,
                                float (*totals)[kPanelRows]) {
  using Layout = LanesLayout<kType>;
  Lanes lanes[kM][kN];
  for (auto& row : lanes) {
    for (Lanes& sum : row) sum = ZeroLanes();
  }
  for (int64_t k = 0; k < groups * kLaneCount; k += kLaneCount, w += Layout::kGroup) {
    // Twelve sums leave four registers: half of the lanes first, weights held, rows passing.
#pragma GCC unroll 2
    for (int part = 0; part < 2; ++part) {
      __m256 weights[kN];
      for (int j = 0; j < kN; ++j) {
        const uint8_t* address = w + j * Layout::kFeature;
        if (kAsk && part == 0) Prefetch(address + Layout::kChunk + kHalfPageBytes);
        weights[j] = LoadWeights<kType>(address, part);
      }
#pragma GCC unroll 3
      for (int i = 0; i < kM; ++i) {
        __m256 row = _mm256_loadu_ps(a[i] + k + part * 8);
        asm("" : "+x"(row));  // loaded once, not again for each feature
#pragma GCC unroll 4
        for (int j = 0; j < kN; ++j) {
          __m256& sum = part == 0 ? lanes[i][j].low : lanes[i][j].high;
          sum = _mm256_fmadd_ps(weights[j], row, sum);
        }
      }
    }
  }
  // The trees of four pairs at a time; where the last four are not full, the first one again.
  constexpr int kCount = kM * kN;
  __m128 folded[kCount];
  for (int i = 0; i < kCount; ++i) folded[i] = FoldToFour(lanes[i / kN][i % kN]);
  alignas(16) float sums[(kCount + 3) / 4 * 4];
  for (int i = 0; i < kCount; i += 4) {
    const auto at = [&](int j) { return folded[i + j < kCount ? i + j : i]; };
    _mm_store_ps(sums + i, FoldFourSums(at(0), at(1), at(2), at(3)));
  }
  for (int i = 0; i < kCount; ++i) totals[i / kN][i % kN] += sums[i];
}

// A chunk of a panel, from value k on.
struct LanesChunk {
  const uint8_t* weights;
  int64_t k;
  int64_t groups;  // of 16 values
};

// One chunk with rows [m, m + kM), kN features at a time.
template <WeightType kType, int kN, int kM, bool kAsk>
LLMRT_AVX2_INLINE void AddFeatures(const MatMulTask& task, const LanesChunk& chunk, int64_t m,
                                   float (*totals)[kPanelRows]) {
  const float* a[kM];
  for (int i = 0; i < kM; ++i) {
    const uint8_t* row = task.activations + (m + i) * task.activation_stride;
    a[i] = reinterpret_cast<const float*>(row) + chunk.k;
  }
  for (int64_t n = 0; n < kPanelRows; n += kN) {
    auto* columns = reinterpret_cast<float(*)[kPanelRows]>(totals[0] + n);
    AddLanes<kType, kN, kM, kAsk>(chunk.weights + n * LanesLayout<kType>::kFeature, a, chunk.groups,
                                  columns);
  }
}

// The same with rows [m0, m0 + rows): by threes, and the last four by twos. The first ones ask for
// the next chunk.
template <WeightType kType>
LLMRT_AVX2_INLINE void AddRows(const MatMulTask& task, const LanesChunk& chunk, int64_t m0,
                               int64_t rows, float (*totals)[kPanelRows]) {
  if (rows == 1) return AddFeatures<kType, 4, 1, true>(task, chunk, m0, totals);
  int64_t m = 2;
  if (rows == 3 || rows > 4) {
    AddFeatures<kType, 2, 3, true>(task, chunk, m0, totals);
    m = 3;
  } else {
    AddFeatures<kType, 2, 2, true>(task, chunk, m0, totals);
  }
  for (; rows - m == 3 || rows - m > 4; m += 3) {
    AddFeatures<kType, 2, 3, false>(task, chunk, m0 + m, totals + m);
  }
  for (; m < rows; m += 2) {
    AddFeatures<kType, 2, 2, false>(task, chunk, m0 + m, totals + m);
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE void MatMulLanes(const MatMulTask& task) {
  auto* totals = reinterpret_cast<float(*)[kPanelRows]>(task.scratch);
  static_assert(kRowsOfLanes * sizeof(totals[0]) <= kScratchBytes);
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kRowsOfLanes) {
    const int64_t rows = Min(kRowsOfLanes, task.num_rows - m0);
    for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
      __builtin_memset(totals, 0, rows * sizeof(totals[0]));
      for (int64_t k = 0; k < task.cols; k += kChunkK) {
        const uint8_t* weights = task.panels + panel * task.panel_bytes;
        const LanesChunk chunk = {weights + k / kLaneCount * LanesLayout<kType>::kGroup, k,
                                  (Min(kChunkK, task.cols - k) + kLaneCount - 1) / kLaneCount};
        AddRows<kType>(task, chunk, m0, rows, totals);
      }
      StoreTotals(task, panel, m0, rows, totals);
    }
  }
}

constexpr int kPairsK = 32;  // values that are summed apart, even and odd
constexpr int64_t kPairBytes = kVectorBytes;
constexpr int kPairRows = 2;  // rows of activations at once
// Up to so many rows a product waits for memory.
constexpr int64_t kStreamRows = 4;

struct PairsScratch {
  static constexpr int64_t kRows = 64, kPanels = 16;
  alignas(64) float activations[kRows][kChunkK];
  alignas(64) float totals[kPanels][kRows][kPanelRows];
};
static_assert(sizeof(PairsScratch) <= kScratchBytes);

// Values [k, k + count) of row m in float32; rows are padded with zeros to whole 32s.
LLMRT_AVX2_INLINE void WidenRow(const MatMulTask& task, int64_t m, int64_t k, int64_t count,
                                float* out) {
  const uint8_t* in = task.activations + m * task.activation_stride + k * 2;
  for (int64_t j = 0; j < count; j += 8) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + j * 2));
    _mm256_store_ps(out + j, WidenBF16(bits));
  }
}

// The chunk sums of kM rows, `stride` apart, with a chunk of a panel, added to their totals.
template <int kM>
LLMRT_AVX2_INLINE void AddPairs(const uint8_t* weights, int64_t count, const float* activations,
                                int64_t stride, float (*totals)[kPanelRows]) {
  const __m256i odd_mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  __m256 acc[kM][2];
  for (auto& row : acc) row[0] = row[1] = _mm256_setzero_ps();
  for (int64_t block = 0; block < count; block += kPairsK) {
    Lanes sums[kM][2];  // by half; low: even values, high: odd values
    for (auto& row : sums) row[0] = row[1] = ZeroLanes();
#pragma GCC unroll 4
    for (int64_t k = block; k < block + kPairsK; k += 2) {
      const uint8_t* address = weights + k / 2 * kPairBytes;
      // A single row is as fast as memory, and the processor fetches ahead enough by itself.
      if (kM > 1) Prefetch(address + kPrefetchBytes);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m256i pair =
            _mm256_load_si256(reinterpret_cast<const __m256i*>(address + h * kHalfBytes));
        const __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16));
        const __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(pair, odd_mask));
#pragma GCC unroll 2
        for (int i = 0; i < kM; ++i) {
          const float* a = activations + i * stride + k;
          sums[i][h].low = _mm256_fmadd_ps(_mm256_broadcast_ss(a), even, sums[i][h].low);
          sums[i][h].high = _mm256_fmadd_ps(_mm256_broadcast_ss(a + 1), odd, sums[i][h].high);
        }
      }
    }
    for (int i = 0; i < kM; ++i) {
      for (int h = 0; h < 2; ++h) {
        acc[i][h] = _mm256_add_ps(acc[i][h], _mm256_add_ps(sums[i][h].low, sums[i][h].high));
      }
    }
  }
  AddTotals<kM>(acc, totals);
}

// `rows` rows of widened activations, `stride` apart, with a chunk of a panel.
LLMRT_AVX2_INLINE void AddPairsRows(const uint8_t* weights, int64_t count, int64_t rows,
                                    const float* activations, int64_t stride,
                                    float (*totals)[kPanelRows]) {
  int64_t m = 0;
  for (; m + kPairRows <= rows; m += kPairRows) {
    AddPairs<kPairRows>(weights, count, activations + m * stride, stride, totals + m);
  }
  if (m < rows) AddPairs<1>(weights, count, activations + m * stride, stride, totals + m);
}

// All rows, kStreamRows at most, times panels one after the other, each from end to end.
LLMRT_AVX2_INLINE void StreamPairs(const MatMulTask& task, int64_t cols) {
  auto* activations = reinterpret_cast<float*>(task.scratch);
  for (int64_t m = 0; m < task.num_rows; ++m) {
    WidenRow(task, m, 0, cols, activations + m * cols);
  }
  for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
    const uint8_t* weights = task.panels + panel * task.panel_bytes;
    alignas(32) float totals[kStreamRows][kPanelRows] = {};
    for (int64_t k = 0; k < cols; k += kChunkK) {
      AddPairsRows(weights + k / 2 * kPairBytes, Min(kChunkK, cols - k), task.num_rows,
                   activations + k, cols, totals);
    }
    StoreTotals(task, panel, 0, task.num_rows, totals);
  }
}

// Rows [m0, m0 + rows) times `panels` panels: chunks of K outside.
LLMRT_AVX2_INLINE void MultiplyPairsBand(const MatMulTask& task, int64_t cols, int64_t m0,
                                         int64_t rows, int64_t first_panel, int64_t panels) {
  PairsScratch& scratch = *reinterpret_cast<PairsScratch*>(task.scratch);
  __builtin_memset(scratch.totals, 0, panels * sizeof(scratch.totals[0]));
  for (int64_t k = 0; k < cols; k += kChunkK) {
    const int64_t count = Min(kChunkK, cols - k);
    for (int64_t m = 0; m < rows; ++m) WidenRow(task, m0 + m, k, count, scratch.activations[m]);
    for (int64_t p = 0; p < panels; ++p) {
      AddPairsRows(task.panels + (first_panel + p) * task.panel_bytes + k / 2 * kPairBytes, count,
                   rows, scratch.activations[0], kChunkK, scratch.totals[p]);
    }
  }
  for (int64_t p = 0; p < panels; ++p) {
    StoreTotals(task, first_panel + p, m0, rows, scratch.totals[p]);
  }
}

}  // namespace

void MatMulF32(const MatMulTask& task) { MatMulLanes<WeightType::kF32>(task); }
void MatMulF16(const MatMulTask& task) { MatMulLanes<WeightType::kF16>(task); }

void MatMulBF16(const MatMulTask& task) {
  const int64_t cols = RoundUp(task.cols, kPairsK);
  const bool fits = task.num_rows * cols * static_cast<int64_t>(sizeof(float)) <= kScratchBytes;
  if (task.num_rows <= kStreamRows && fits) return StreamPairs(task, cols);
  const int64_t end = (task.end + kPanelRows - 1) / kPanelRows;
  for (int64_t m = 0; m < task.num_rows; m += PairsScratch::kRows) {
    const int64_t rows = Min(PairsScratch::kRows, task.num_rows - m);
    for (int64_t p = task.begin / kPanelRows; p < end; p += PairsScratch::kPanels) {
      MultiplyPairsBand(task, cols, m, rows, p, Min(PairsScratch::kPanels, end - p));
    }
  }
}

}  // namespace llmrt::cpu::avx2
