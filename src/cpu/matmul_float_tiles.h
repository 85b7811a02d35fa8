// BF16 products in tile registers: the class bfloat16-pairs, whose order of sums is that of the
// instruction. A panel's group of 32 values, [16 pairs][16 features][2], is a tile as it lies
// there. For *_amx.cc, and for a test with imitated tiles.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/panel_512.h"

namespace llmrt::cpu::x512 {

constexpr int64_t kPairTileRows = 16;
constexpr int64_t kPairsK = 32;           // values of a tile
constexpr int64_t kPairTileBytes = 1024;  // of weights
// Rows below which the vector kernel is as fast: a tile takes the same time for one row as for 16.
constexpr int64_t kPairTileRowsMin = 8;
constexpr int64_t kPairBandRows = 128;

struct PairTilesScratch {
  alignas(64) uint16_t rows[kPairTileRows][backend::kChunkK];  // of a short last tile, zeros behind
  alignas(64) float sums[kPairTileRows][kPanelRows];
  alignas(64) float totals[kPairBandRows][kPanelRows];
};
static_assert(sizeof(PairTilesScratch) <= kScratchBytes);

// One chunk, `count` values, of a panel with 16 rows of activations, added to their totals.
template <typename Tiles>
LLMRT_512_INLINE void AddPairTile(const uint8_t* weights, const uint8_t* rows, int64_t stride,
                                  int64_t count, PairTilesScratch& scratch,
                                  float (*totals)[kPanelRows]) {
  asm volatile("" : : : "memory");  // see tiles_amx.h
  Tiles::template Zero<0>();
  for (int64_t k = 0; k < count; k += kPairsK) {
    Tiles::LoadActivations(rows + k * 2, stride);
    Tiles::LoadWeights(weights + k / kPairsK * kPairTileBytes);
    Tiles::template AddPairs<0>();
  }
  Tiles::template Store<0>(scratch.sums);
  for (int64_t i = 0; i < kPairTileRows; ++i) AddTo(totals[i], _mm512_load_ps(scratch.sums[i]));
}

// The rows of a band with one panel, chunks of K ascending.
template <typename Tiles>
LLMRT_512_INLINE void MultiplyPairTiles(const MatMulTask& task, int64_t panel, int64_t m0,
                                        int64_t rows, PairTilesScratch& scratch) {
  __builtin_memset(scratch.totals, 0, sizeof(scratch.totals));
  const uint8_t* weights = task.panels + panel * task.panel_bytes;
  for (int64_t k = 0; k < task.cols; k += backend::kChunkK) {
    const int64_t count = Min(backend::kChunkK, RoundUp(task.cols - k, kPairsK));
    for (int64_t m = 0; m < rows; m += kPairTileRows) {
      const uint8_t* in = task.activations + (m0 + m) * task.activation_stride + k * 2;
      int64_t stride = task.activation_stride;
      if (rows - m < kPairTileRows) {
        __builtin_memset(scratch.rows, 0, sizeof(scratch.rows));
        for (int64_t i = 0; i < rows - m; ++i) {
          __builtin_memcpy(scratch.rows[i], in + i * stride, count * 2);
        }
        in = reinterpret_cast<const uint8_t*>(scratch.rows);
        stride = sizeof(scratch.rows[0]);
      }
      AddPairTile<Tiles>(weights + k / kPairsK * kPairTileBytes, in, stride, count, scratch,
                         scratch.totals + m);
    }
  }
}

// All of a task; `few` does those with few rows.
template <typename Tiles>
LLMRT_512_INLINE void MatMulPairs(const MatMulTask& task, void (*few)(const MatMulTask&)) {
  if (task.num_rows < kPairTileRowsMin) return few(task);
  PairTilesScratch& scratch = *reinterpret_cast<PairTilesScratch*>(task.scratch);
  Tiles::Configure(64);
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kPairBandRows) {
    const int64_t rows = Min(kPairBandRows, task.num_rows - m0);
    for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
      MultiplyPairTiles<Tiles>(task, panel, m0, rows, scratch);
      StoreTotals(task, panel, m0, rows, scratch.totals);
    }
  }
  Tiles::Release();
}

}  // namespace llmrt::cpu::x512
