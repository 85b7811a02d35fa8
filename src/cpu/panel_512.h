// What the matrix products in vectors of 512 bits share: the features of a panel that a task wants,
// and where their sums go. For the files of the tiers avx512, vnni and amx only.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/kernel_table.h"
#include "cpu/panel_layout.h"

#define LLMRT_512_INLINE static inline __attribute__((always_inline))

namespace llmrt::cpu::x512 {

// Panels that are read once are asked for so far ahead, and of the first one as much as the core
// can have under way.
constexpr int64_t kPrefetchBytes = 4096;
constexpr int64_t kFirstBytes = 1024;

LLMRT_512_INLINE int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
LLMRT_512_INLINE int64_t RoundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

LLMRT_512_INLINE void Prefetch(const uint8_t* at, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(at + i), _MM_HINT_T0);
  }
}

// Lines that are asked for and lines that are read get in each other's way where they lie at the
// same place of their pages; distances that are multiples of 4096 by themselves take half a page
// more.
constexpr int64_t kHalfPageBytes = 2048;

// The same for the second cache: what comes so late that the first one would not hold it until
// then.
LLMRT_512_INLINE void PrefetchToSecond(const uint8_t* at, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(at + i), _MM_HINT_T1);
  }
}

// The lanes of panel `panel` whose features lie in the task's range.
LLMRT_512_INLINE __mmask16 LanesOf(const MatMulTask& task, int64_t panel) {
  const int64_t first = panel * kPanelRows;
  const uint32_t from = task.begin > first ? static_cast<uint32_t>(task.begin - first) : 0;
  const uint32_t to = static_cast<uint32_t>(Min(kPanelRows, task.end - first));
  return static_cast<__mmask16>((0xffffu >> (16 - to)) & (0xffffu << from));
}

// Finished sums of row m with a panel, to their place.
LLMRT_512_INLINE void StoreTotal(const MatMulTask& task, int64_t m, int64_t panel, __m512 total) {
  const __mmask16 lanes = LanesOf(task, panel);
  float* out = task.out + m * task.out_stride + panel * kPanelRows;
  if (task.accumulate) total = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, out), total);
  _mm512_mask_storeu_ps(out, lanes, total);
}

// Rows [m0, m0 + rows) of a band.
LLMRT_512_INLINE void StoreTotals(const MatMulTask& task, int64_t panel, int64_t m0, int64_t rows,
                                  const float (*totals)[kPanelRows]) {
  for (int64_t m = 0; m < rows; ++m) StoreTotal(task, m0 + m, panel, _mm512_load_ps(totals[m]));
}

LLMRT_512_INLINE void AddTo(float* total, __m512 sum) {
  _mm512_store_ps(total, _mm512_add_ps(_mm512_load_ps(total), sum));
}

}  // namespace llmrt::cpu::x512
