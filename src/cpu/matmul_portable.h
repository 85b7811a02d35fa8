// What the portable matrix products share: the order in which features, chunks and rows are
// visited. One feature at a time; a chunk of its weights is decoded once and used for up to
// kRowsMax rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/kernel_table.h"
#include "cpu/panel_layout.h"

namespace llmrt::cpu::portable {

inline constexpr int64_t kRowsMax = 128;

// `decode(panel, feature, k, k_end, decoded)` reads values [k, k_end) of a feature of a panel, and
// `dot(decoded, activation, k, k_end)` is their chunk sum; chunk sums are added ascending.
template <typename Decoded, typename Decode, typename Dot>
void ForEachFeature(const MatMulTask& task, Decode decode, Dot dot) {
  Decoded decoded;
  float totals[kRowsMax];
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kRowsMax) {
    const int64_t rows = std::min(kRowsMax, task.num_rows - m0);
    for (int64_t n = task.begin; n < task.end; ++n) {
      const uint8_t* panel = task.panels + n / kPanelRows * task.panel_bytes;
      std::fill_n(totals, rows, 0.0f);
      for (int64_t k = 0; k < task.cols; k += backend::kChunkK) {
        const int64_t k_end = std::min(task.cols, k + backend::kChunkK);
        decode(panel, n % kPanelRows, k, k_end, decoded);
        for (int64_t m = 0; m < rows; ++m) {
          const uint8_t* activation = task.activations + (m0 + m) * task.activation_stride;
          totals[m] = totals[m] + dot(decoded, activation, k, k_end);
        }
      }
      for (int64_t m = 0; m < rows; ++m) {
        float& out = task.out[(m0 + m) * task.out_stride + n];
        out = task.accumulate ? out + totals[m] : totals[m];
      }
    }
  }
}

}  // namespace llmrt::cpu::portable
