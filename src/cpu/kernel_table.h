// The kernels of one tier as a table of functions. A tier's files hold static functions only and
// include headers whose code is static and inlined by force, or none: an inline function
// compiled there would be a weak symbol full of instructions that older processors lack, and the
// linker might pick that copy for everyone (tests/cpu/symbols_test.cc checks the objects).
//
// A kernel computes with the caller's thread and floating-point mode, allocates nothing, and checks
// nothing: the ops above it did. All tiers give the same bits: those of the oracles in src/ops.
#pragma once

#include <cstdint>

#include "backend/kv_shape.h"
#include "backend/numeric_class.h"
#include "backend/weight_type.h"

namespace llmrt::cpu {

inline constexpr int kKvTypeCount = 3;
inline constexpr int kActivationFormatCount = 3;  // those before float16, which no class here reads

// Attention's scratch is laid out for it; the backend says so (max_head_dim) and refuses larger
// ones.
inline constexpr int64_t kHeadDimMax = 512;
// Queries (rows times query heads that read one KV head) of an attention task; half as many where
// head_dim is above half of kHeadDimMax.
inline constexpr int64_t kAttentionQueriesMax = 64;

// Scratch that each worker owns, preallocated: what the largest kernel lays over it.
inline constexpr int64_t kScratchBytes = 384 * 1024;

// Kernels that read prepared rows in an order of their own have them packed once for a product:
// in tiles of rows, one after another, each with its blocks of 32 values one after another.
struct RowTile {
  int32_t rows;
  int64_t block_bytes;  // of all its rows
};

// Blocks [begin, end) of one tile; the tile's rows beyond num_rows become zeros.
struct PackTask {
  const uint8_t* rows;  // the tile's first row, prepared
  int64_t row_stride;   // bytes
  int64_t num_rows;     // from there on; at least 1
  int32_t tile_rows;
  int64_t begin, end;
  uint8_t* out;  // the tile's block 0, aligned to 64 bytes
};

struct Packing {
  RowTile (*tile)(int64_t rows) = nullptr;  // null: the kernel reads rows as they are
  void (*pack)(const PackTask& task) = nullptr;
};

// out[m * out_stride + n] for n in [begin, end) and every m; see MatMulParams.
struct MatMulTask {
  const uint8_t* panels;       // all panels of the matrix (cpu/panel_layout.h)
  int64_t panel_bytes;         // from one to the next
  int64_t cols;                // K
  int64_t begin, end;          // features n of this task; a panel that they begin or end in is cut
  const uint8_t* activations;  // [M][activation_stride], prepared for the type's class
  int64_t activation_stride;   // bytes
  const uint8_t* packed;       // the same in tiles, where the type's Packing says so
  int64_t num_rows;            // M
  float* out;                  // [M][out_stride]
  int64_t out_stride;          // floats
  bool accumulate;             // add to what is in out, once and last
  uint8_t* scratch;            // kScratchBytes, aligned to 64 bytes
};

// Rows of one sequence at consecutive positions, one KV head, and the `group` query heads of each
// row that read it.
struct AttentionTask {
  const float* q;      // of the first row: [group, head_dim]
  float* out;          // likewise
  int64_t row_stride;  // floats from a row's heads to those of the next row, in q and out
  int64_t num_rows;    // num_rows * group is at most kAttentionQueriesMax
  int64_t group;
  int64_t head_dim;
  float scale;
  int64_t num_keys;            // position + 1 of the first row; each row sees one more
  const int32_t* block_table;  // of the rows' sequence
  int64_t block_size;
  const uint8_t* k_tiles;  // block 0's tile of this layer and head: [head_dim][block_size]
  const uint8_t* v_tiles;  // likewise: [block_size][head_dim]
  int64_t block_bytes;     // from a block's tile to the next block's
  uint8_t* scratch;        // kScratchBytes, aligned to 64 bytes
};

// One row, by the formula of ops/rms_norm.h.
struct RmsNormTask {
  const float* in;      // [dim]
  const float* weight;  // [dim]
  int64_t dim;
  float epsilon;
  float* out;  // [dim]
};

// Rotates the leading dims of the heads of one row in place, by the formula of ops/rope_store.h.
struct RopeTask {
  const float* table;  // [rope_dims / 2][cos, sin] of the row's position
  int64_t rope_dims;   // even, at most head_dim
  int64_t num_heads;
  int64_t head_dim;
  float* heads;  // [num_heads, head_dim]
};

struct KernelTable {
  // By WeightType.
  void (*matmul[backend::kWeightTypeCount])(const MatMulTask& task);
  Packing packing[backend::kWeightTypeCount];
  // By KvType.
  void (*attention[kKvTypeCount])(const AttentionTask& task);
  // By KvType: `count` floats rounded to nearest even to the cache's type. `out` may be unaligned.
  void (*store_kv[kKvTypeCount])(const float* in, int64_t count, uint8_t* out);
  // By ActivationFormat: one row of `cols` floats, padded as backend::ActivationRowBytes says.
  void (*prepare[kActivationFormatCount])(const float* in, int64_t cols, uint8_t* out);
  void (*rms_norm)(const RmsNormTask& task);
  void (*rope)(const RopeTask& task);
  // out = Silu(gate) * up; `out` may be `gate`.
  void (*swiglu)(const float* gate, const float* up, int64_t count, float* out);
};

extern const KernelTable kPortableKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kVnniKernels;
extern const KernelTable kAmxKernels;
#endif

}  // namespace llmrt::cpu
