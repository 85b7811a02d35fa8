// The order of work of products with float weights and many rows, in vectors of 512 bits. A chunk
// of K of some panels, in float32 where the kernel wants it so, stays in the second cache while a
// band of rows passes by in tiles: a tile's chunk lies in the first cache for all of those panels.
// Rows as they come are often a power of two apart and would share a few sets of the second cache;
// each is needed there for a short time only. What comes next is asked for all the while.
//
// What is added to what is the kernel's, a type with static functions only:
//
//   Weights(at, count, out)            a chunk of a panel as AddTile wants it: at `at`, or in `out`
//   Rows(at, stride, num, count, out)  a chunk of a tile of rows in float32, likewise
//   AddTile(weights, count, rows, num, totals)
//   kPanels, kRows                     panels of a band, rows of a tile
//   kConvertedPanels                   chunks that Weights writes to `out`; at least 1
//
// For the files of the tier avx512 only.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/panel_512.h"

namespace llmrt::cpu::x512 {

// Panels (at most) and rows whose sums lie in scratch. More panels would share a tile of rows, but
// their chunks, and those that come next, have to stay in the second cache, of 1 MB or less.
constexpr int64_t kFloatBandPanels = 16;
constexpr int64_t kFloatBandRows = 192;
constexpr int64_t kFloatTileRows = 8;  // at most

LLMRT_512_INLINE int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Rows of float32, `stride` apart.
struct FloatRows {
  const float* values;
  int64_t stride;

  __attribute__((always_inline)) const float* At(int64_t m, int64_t k) const {
    return values + m * stride + k;
  }
  __attribute__((always_inline)) FloatRows From(int64_t m, int64_t k) const {
    return {At(m, k), stride};
  }
};

using WeightChunk = float[backend::kChunkK][kPanelRows];

// Laid over the worker's scratch memory.
template <typename Kernel>
struct FloatBandScratch {
  static_assert(Kernel::kPanels <= kFloatBandPanels && Kernel::kRows <= kFloatTileRows);
  alignas(64) WeightChunk weights[Kernel::kConvertedPanels];
  alignas(64) float rows[kFloatTileRows][backend::kChunkK];
  alignas(64) float totals[Kernel::kPanels][kFloatBandRows][kPanelRows];
};

struct FloatBand {
  int64_t first_row;
  int64_t num_rows;
  int64_t first_panel;
  int64_t num_panels;
  const uint8_t* next_rows;  // of the band that comes next
  const uint8_t* next_panels;
};

// What a chunk of K of a band is made of, and what to ask for meanwhile.
struct FloatBandChunk {
  int64_t count;  // values, padded
  const uint8_t* panels;
  const uint8_t* next_panels;
  const uint8_t* rows;
  const uint8_t* next_rows;
};

template <typename Kernel>
LLMRT_512_INLINE FloatBandChunk ChunkOf(const MatMulTask& task, const FloatBand& band, int64_t k) {
  const int64_t next_k = k + backend::kChunkK;
  const uint8_t* panels = task.panels + band.first_panel * task.panel_bytes;
  const uint8_t* rows = task.activations + band.first_row * task.activation_stride;
  const bool last = next_k >= task.cols;
  return {
      .count = Min(backend::kChunkK, RoundUp(task.cols - k, LayoutOf(Kernel::kType).group_values)),
      .panels = panels + PanelBytes(Kernel::kType, k),
      .next_panels = last ? band.next_panels : panels + PanelBytes(Kernel::kType, next_k),
      .rows = rows + k * Kernel::kActivationBytes,
      .next_rows = last ? band.next_rows : rows + next_k * Kernel::kActivationBytes};
}

// Tile t of `tiles` asks for its part of the next chunk of panel p, and with the other panels for
// the rows of the tile that comes next.
template <typename Kernel>
LLMRT_512_INLINE void AskFor(const MatMulTask& task, const FloatBandChunk& chunk,
                             const FloatBand& band, int64_t t, int64_t tiles, int64_t p) {
  constexpr int64_t kWeightBytes = PanelBytes(Kernel::kType, backend::kChunkK);
  const int64_t part_bytes = RoundUp(CeilDiv(kWeightBytes, tiles), 64);
  PrefetchToSecond(chunk.next_panels + p * task.panel_bytes + t * part_bytes, part_bytes);
  const uint8_t* rows = t + 1 < tiles
                            ? chunk.rows + (t + 1) * Kernel::kRows * task.activation_stride
                            : chunk.next_rows;
  for (int64_t i = p; i < Kernel::kRows; i += band.num_panels) {
    PrefetchToSecond(rows + i * task.activation_stride,
                     backend::kChunkK * Kernel::kActivationBytes);
  }
}

template <typename Kernel>
LLMRT_512_INLINE void AddBandChunk(const MatMulTask& task, const FloatBand& band, int64_t k,
                                   FloatBandScratch<Kernel>& scratch) {
  const FloatBandChunk chunk = ChunkOf<Kernel>(task, band, k);
  const uint8_t* weights[kFloatBandPanels];
  for (int64_t p = 0; p < band.num_panels; ++p) {
    weights[p] = Kernel::Weights(chunk.panels + p * task.panel_bytes, chunk.count,
                                 scratch.weights[p % Kernel::kConvertedPanels]);
  }
  const int64_t tiles = CeilDiv(band.num_rows, Kernel::kRows);
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t m = t * Kernel::kRows;
    const int64_t num_rows = Min(Kernel::kRows, band.num_rows - m);
    const FloatRows rows =
        Kernel::Rows(chunk.rows + m * task.activation_stride, task.activation_stride, num_rows,
                     chunk.count, scratch.rows);
    for (int64_t p = 0; p < band.num_panels; ++p) {
      AskFor<Kernel>(task, chunk, band, t, tiles, p);
      Kernel::AddTile(weights[p], chunk.count, rows, num_rows, scratch.totals[p] + m);
    }
  }
}

template <typename Kernel>
LLMRT_512_INLINE void MultiplyFloatBand(const MatMulTask& task, const FloatBand& band) {
  static_assert(sizeof(FloatBandScratch<Kernel>) <= kScratchBytes);
  auto& scratch = *reinterpret_cast<FloatBandScratch<Kernel>*>(task.scratch);
  for (int64_t p = 0; p < band.num_panels; ++p) {
    __builtin_memset(scratch.totals[p], 0, band.num_rows * sizeof(scratch.totals[p][0]));
  }
  for (int64_t k = 0; k < task.cols; k += backend::kChunkK) {
    AddBandChunk<Kernel>(task, band, k, scratch);
  }
  for (int64_t p = 0; p < band.num_panels; ++p) {
    StoreTotals(task, band.first_panel + p, band.first_row, band.num_rows, scratch.totals[p]);
  }
}

// Panels outside, so that their weights come from the third cache for all bands but the first one.
template <typename Kernel>
LLMRT_512_INLINE void MultiplyFloatBands(const MatMulTask& task) {
  const int64_t end_panel = CeilDiv(task.end, kPanelRows);
  // Bands as equal as tiles allow.
  const int64_t bands = CeilDiv(task.num_rows, kFloatBandRows);
  const int64_t band_rows = RoundUp(CeilDiv(task.num_rows, bands), kFloatTileRows);
  for (int64_t p = task.begin / kPanelRows; p < end_panel; p += Kernel::kPanels) {
    for (int64_t m = 0; m < task.num_rows; m += band_rows) {
      const bool last = m + band_rows >= task.num_rows;
      MultiplyFloatBand<Kernel>(
          task,
          {.first_row = m,
           .num_rows = Min(band_rows, task.num_rows - m),
           .first_panel = p,
           .num_panels = Min(Kernel::kPanels, end_panel - p),
           .next_rows = task.activations + (last ? 0 : m + band_rows) * task.activation_stride,
           .next_panels = task.panels + (last ? p + Kernel::kPanels : p) * task.panel_bytes});
    }
  }
}

}  // namespace llmrt::cpu::x512
