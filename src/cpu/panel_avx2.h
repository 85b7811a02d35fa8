// What the products of AVX2 share: panels as two halves of eight features, and their results' way
// out. For *_avx2.cc only; static and inlined by force like vector_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/kernel_table.h"
#include "cpu/panel_layout.h"
#include "cpu/vector_avx2.h"

namespace llmrt::cpu::avx2 {

using backend::WeightType;

constexpr int64_t kHalfRows = kPanelRows / 2;  // a vector of float32
constexpr int kHalfBytes = 32;                 // a dword of each of them
constexpr int64_t kVectorBytes = 2 * kHalfBytes;

// By half, all ones in the lanes of a panel whose features lie in the task's range.
struct PanelLanes {
  __m256i half[2];
};

LLMRT_AVX2_INLINE PanelLanes LanesOf(const MatMulTask& task, int64_t panel) {
  PanelLanes out;
  for (int h = 0; h < 2; ++h) {
    const int64_t first = panel * kPanelRows + h * kHalfRows;
    const int64_t from = Max(0, Min(kHalfRows, task.begin - first));
    const int64_t to = Max(0, Min(kHalfRows, task.end - first));
    out.half[h] = _mm256_andnot_si256(FirstMask(from), FirstMask(to));
  }
  return out;
}

// Finished sums of rows [m0, m0 + rows) with panel `panel`, to their place.
LLMRT_AVX2_INLINE void StoreTotals(const MatMulTask& task, int64_t panel, int64_t m0, int64_t rows,
                                   const float (*totals)[kPanelRows]) {
  const PanelLanes lanes = LanesOf(task, panel);
  for (int64_t m = 0; m < rows; ++m) {
    for (int h = 0; h < 2; ++h) {
      float* out = task.out + (m0 + m) * task.out_stride + panel * kPanelRows + h * kHalfRows;
      __m256 total = _mm256_load_ps(totals[m] + h * kHalfRows);
      if (task.accumulate) {
        total = _mm256_add_ps(_mm256_maskload_ps(out, lanes.half[h]), total);
      }
      _mm256_maskstore_ps(out, lanes.half[h], total);
    }
  }
}

// A chunk's sums of kM rows with a panel, to those of the chunks before.
template <int kM>
LLMRT_AVX2_INLINE void AddTotals(const __m256 (&acc)[kM][2], float (*totals)[kPanelRows]) {
  for (int m = 0; m < kM; ++m) {
    for (int h = 0; h < 2; ++h) {
      float* total = totals[m] + h * kHalfRows;
      _mm256_store_ps(total, _mm256_add_ps(_mm256_load_ps(total), acc[m][h]));
    }
  }
}

// Panels that are read once are asked for so far ahead. Lines that are asked for and lines that are
// read get in each other's way where they lie at the same place of their pages, so distances are no
// multiples of 4096; those that are by themselves take half a page more.
constexpr int64_t kPrefetchBytes = 6144;
constexpr int64_t kHalfPageBytes = 2048;

LLMRT_AVX2_INLINE void Prefetch(const uint8_t* address) {
  _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T1);
}

}  // namespace llmrt::cpu::avx2
