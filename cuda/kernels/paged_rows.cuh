// The keys or the values of one sequence and one KV head, by position, through the block table.
#pragma once

#include "cuda/device/device.h"
#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

struct PagedRows {
  uint8_t* const* blocks;  // of the sequence
  int32_t block_size;
  int64_t tile_offset;  // in a block
  int64_t row_bytes;

  // The row of a position, whose block must exist.
  LLMRT_DEVICE const uint8_t* At(int32_t position) const {
    return Load(blocks + position / block_size) + tile_offset + position % block_size * row_bytes;
  }
};

// Rows of type T. `which` is 0 for keys, 1 for values; `row` is a row of the step that counts.
template <typename T>
LLMRT_DEVICE PagedRows PagedRowsOf(const StepView& step, const KvLayout& kv, int32_t row,
                                   int32_t which, int32_t head) {
  const int32_t start = Load(step.table_starts + Load(step.sequences + row));
  return {step.blocks + start, kv.block_size, TileOffset(kv, which, head),
          kv.head_dim * static_cast<int64_t>(sizeof(T))};
}

}  // namespace llmrt::cuda
