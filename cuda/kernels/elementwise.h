// Arguments and shapes of the kernels that work on one row at a time. Their results equal those of
// the CPU backend bit for bit (ops/*.h has the formulas); only Prepare's 16-bit formats are the
// GPU's own. Pointers to floats, to the table and to prepared rows are aligned to 16 bytes, so that
// rows whose length is a multiple of 4 are moved in vectors.
#pragma once

#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

enum class Element : int32_t { kF32 = 0, kF16 = 1, kBF16 = 2 };

// out[r] = row tokens[r] of the table in float32, for rows [first, first + grid_x).
struct EmbedArgs {
  StepView step;
  const uint8_t* table;  // [vocab_size][row_stride bytes]
  int64_t row_stride;    // a multiple of 16
  Element element;
  int32_t first;
  int64_t cols;
  float* out;  // [rows, cols]
};
constexpr uint32_t kEmbedThreads = 128;
constexpr LaunchShape EmbedShape(uint32_t rows) {
  return {.grid_x = rows, .threads = kEmbedThreads};
}

// ops/rms_norm.h. Output row i, for [first, first + count), reads input row rows[i], or row i where
// `rows` is null.
struct RmsNormArgs {
  const float* in;      // [*, dim]
  const float* weight;  // [dim]
  const int32_t* rows;  // device, valid up to first + count; may be null
  int32_t first;
  int32_t count;
  int64_t dim;
  float epsilon;
  float* out;  // [*, dim]
};
inline constexpr int64_t kRmsNormChunk = 512;
constexpr uint32_t kRmsNormThreads = 256;
// A block is one row. Shared memory holds the sum of each chunk: 48 KB are enough for 6 million
// values.
constexpr LaunchShape RmsNormShape(const RmsNormArgs& args) {
  const int64_t chunks = (args.dim + kRmsNormChunk - 1) / kRmsNormChunk;
  return {.grid_x = static_cast<uint32_t>(args.count),
          .threads = kRmsNormThreads,
          .shared_bytes = static_cast<uint32_t>(chunks * sizeof(float))};
}

// Rows [first, first + count) to the type that products read, padded with zeros to the row's end.
struct PrepareArgs {
  const float* in;  // [*, cols]
  int32_t first;
  int32_t count;
  int64_t cols;
  int64_t padded_cols;  // values of an output row; a multiple of 16
  Element element;
  uint8_t* out;  // [*, padded_cols] elements
};
constexpr uint32_t kPrepareThreads = 256;
constexpr LaunchShape PrepareShape(const PrepareArgs& args) {
  return {.grid_x = static_cast<uint32_t>(args.count), .threads = kPrepareThreads};
}

// ops/rope_store.h, for rows [first, first + grid_x) that count. head_dim is even.
struct RopeStoreArgs {
  StepView step;
  KvLayout kv;
  Element element;  // of the cache
  int32_t first;
  const float* rope_table;  // [positions][rope_dims / 2][cos, sin]
  int32_t rope_dims;
  int32_t num_q_heads;
  float* q;        // [rows, num_q_heads * head_dim]
  float* k;        // [rows, num_kv_heads * head_dim]
  const float* v;  // [rows, num_kv_heads * head_dim]
};
constexpr uint32_t kRopeStoreThreads = 256;
constexpr LaunchShape RopeStoreShape(uint32_t rows) {
  return {.grid_x = rows, .threads = kRopeStoreThreads};
}

// ops/swiglu.h, over `count` values.
struct SwiGluArgs {
  const float* gate;
  const float* up;
  int64_t count;
  float* out;
};
constexpr uint32_t kSwiGluThreads = 256;
constexpr LaunchShape SwiGluShape(const SwiGluArgs& args) {
  return {.grid_x = static_cast<uint32_t>((args.count + kSwiGluThreads - 1) / kSwiGluThreads),
          .threads = kSwiGluThreads};
}

// ops/move_rows.h, for to < from: the ranges may overlap. Rows begin at, and take, a multiple of 4
// bytes.
struct MoveRowsArgs {
  uint8_t* rows;  // [*, row_bytes]
  int64_t row_bytes;
  int64_t from;
  int64_t to;
  int64_t count;
};
// What a thread moves of each row: 16 bytes where every row begins at a multiple of 16.
LLMRT_HOST_DEVICE inline int64_t MoveRowsColumnBytes(const MoveRowsArgs& args) {
  const uint64_t bits =
      reinterpret_cast<uintptr_t>(args.rows) | static_cast<uint64_t>(args.row_bytes);
  return bits % 16 == 0 ? 16 : 4;
}
// Small blocks: a row is seldom more than a thousand columns, which are to reach many
// multiprocessors.
constexpr uint32_t kMoveRowsThreads = 64;
inline LaunchShape MoveRowsShape(const MoveRowsArgs& args) {
  const int64_t columns = args.row_bytes / MoveRowsColumnBytes(args);
  return {.grid_x = static_cast<uint32_t>((columns + kMoveRowsThreads - 1) / kMoveRowsThreads),
          .threads = kMoveRowsThreads};
}

}  // namespace llmrt::cuda
