// What kernels know of a step: device memory that the host writes before it launches them. A
// recorded graph is replayed for fewer rows than it was recorded for, so kernels ask here how many
// rows count; those behind them hold anything and must neither be read for results nor written to
// the cache.
#pragma once

#include <cstdint>

#include "numerics/host_device.h"

namespace llmrt::cuda {

struct StepView {
  const int32_t* num_rows;      // [1]
  const int32_t* tokens;        // [rows]
  const int32_t* positions;     // [rows] absolute, from 0
  const int32_t* sequences;     // [rows] index into table_starts
  const int32_t* table_starts;  // [sequences] first entry of the sequence's block table
  uint8_t* const* blocks;       // block tables, one after the other: addresses of KV blocks
};

// A KV block as kernels address it (backend/kv_shape.h): a tile is one head's keys or values of one
// layer, [block_size, head_dim].
struct KvLayout {
  int32_t block_size;  // tokens
  int32_t num_kv_heads;
  int32_t head_dim;
  int32_t layer;
  int64_t tile_bytes;
};

// Byte offset of a tile inside its block; `which` is 0 for keys, 1 for values.
LLMRT_HOST_DEVICE constexpr int64_t TileOffset(const KvLayout& kv, int32_t which, int32_t head) {
  return ((int64_t{kv.layer} * 2 + which) * kv.num_kv_heads + head) * kv.tile_bytes;
}

// Where a kernel's threads are: what a launch needs besides the arguments.
struct LaunchShape {
  uint32_t grid_x = 1;
  uint32_t grid_y = 1;
  uint32_t grid_z = 1;
  uint32_t threads = 32;
  uint32_t shared_bytes = 0;
};

}  // namespace llmrt::cuda
