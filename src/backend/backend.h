// The interface between the transformer and the machine it runs on. A backend owns device memory,
// packs weights into the order its kernels like, and runs the ops of a step. The CPU and CUDA
// backends and the plain reference implement it; nothing above knows which one it talks to.
//
// Every op takes a range of units (token rows, heads of rows, or output features of a matrix
// product) so that a step can be left and resumed between any two ranges. How an op is cut into
// ranges never changes a bit. One caller at a time runs ops; a backend spreads a range over its own
// threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/kv_shape.h"
#include "backend/numeric_class.h"
#include "backend/weight_type.h"
#include "memory/large_buffer.h"

namespace llmrt::backend {

// Device memory that ops read and write; `data` is a device address (host-readable on the CPU).
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual uint8_t* data() const = 0;
  virtual int64_t bytes() const = 0;
};

// A weight matrix [rows = output features, cols = K], packed. Read-only once all rows are written.
class Matrix {
 public:
  virtual ~Matrix() = default;
  virtual WeightType type() const = 0;
  virtual int64_t rows() const = 0;
  virtual int64_t cols() const = 0;
};

// All KV blocks of one engine.
class KvCache {
 public:
  virtual ~KvCache() = default;
  virtual const KvShape& shape() const = 0;
  virtual int64_t num_blocks() const = 0;
};

// Half-open range of units of an op.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

// The rows of one step. One row is one token of one sequence at one position. Everything is host
// memory and must stay valid from BeginStep to EndStep, and unchanged but for ChangeBatch: a caller
// may rewrite it just before, so an op must not look at it after it has returned.
struct Batch {
  absl::Span<const int32_t> tokens;                          // [num_rows]
  absl::Span<const int32_t> positions;                       // [num_rows] absolute, from 0
  absl::Span<const int32_t> sequences;                       // [num_rows] index into block_tables
  absl::Span<const absl::Span<const int32_t>> block_tables;  // logical block -> physical block
  int64_t num_rows() const { return static_cast<int64_t>(tokens.size()); }
};

// out[r] = dequantized row tokens[r] of `table`. Units: rows of the batch.
struct EmbedParams {
  const Batch* batch = nullptr;
  const Matrix* table = nullptr;  // [vocab_size, dim]
  float* out = nullptr;           // [num_rows, dim]
};

// out[i] = in[rows[i]] / sqrt(mean(in^2) + eps) * weight. Units: output rows.
struct RmsNormParams {
  const float* in = nullptr;       // [*, dim]
  const float* weight = nullptr;   // [dim]
  absl::Span<const int32_t> rows;  // host; which input rows; empty: output row i reads input row i
  int64_t dim = 0;
  float epsilon = 0;
  float* out = nullptr;  // [units, dim]
};

// Brings rows into the format that matrix products read. Units: rows.
struct PrepareParams {
  const float* in = nullptr;  // [num_rows, cols]
  int64_t cols = 0;
  ActivationFormat format = ActivationFormat::kF32;
  uint8_t* out = nullptr;  // [num_rows][ActivationRowBytes(format, cols)]
};

// out[m, n] = sum_k activations[m, k] * weight[n, k] (+ out[m, n] if accumulate: the residual,
// added last and once). Units: output features n.
struct MatMulParams {
  const Matrix* weight = nullptr;        // [N, K]
  const uint8_t* activations = nullptr;  // prepared rows, [num_rows][ActivationRowBytes]
  int64_t num_rows = 0;                  // M
  float* out = nullptr;                  // [num_rows, out_stride]
  int64_t out_stride = 0;                // floats from one row to the next, >= N
  bool accumulate = false;
};

// Rotates q and k by position and stores k and v, rounded, in the cache. Pairs are adjacent:
// (x[2i], x[2i+1]). Units: rows of the batch.
struct RopeStoreParams {
  const Batch* batch = nullptr;
  const float* rope_table = nullptr;  // [positions][rope_dims / 2][cos, sin], device memory
  int32_t rope_dims = 0;              // leading dims of a head that are rotated
  float* q = nullptr;                 // [num_rows, num_q_heads * head_dim], rotated in place
  int32_t num_q_heads = 0;
  float* k = nullptr;        // [num_rows, num_kv_heads * head_dim], rotated in place
  const float* v = nullptr;  // [num_rows, num_kv_heads * head_dim]
  KvCache* cache = nullptr;
  int32_t layer = 0;
};

// Causal attention of each row over the cached keys 0..position of its sequence. Units: query heads
// of rows, row * num_q_heads + head: one row over a long context may be too much for a slice. Heads
// that share a KV head are cheaper in one range.
struct AttentionParams {
  const Batch* batch = nullptr;
  const float* q = nullptr;  // [num_rows, num_q_heads * head_dim]
  int32_t num_q_heads = 0;   // a multiple of the cache's num_kv_heads
  float scale = 0;           // 1 / sqrt(head_dim), applied to the finished dot product
  const KvCache* cache = nullptr;
  int32_t layer = 0;
  float* out = nullptr;  // [num_rows, num_q_heads * head_dim]
};

// out = silu(gate) * up. Units: rows.
struct SwiGluParams {
  const float* gate = nullptr;  // [num_rows, dim]
  const float* up = nullptr;    // [num_rows, dim]
  int64_t dim = 0;
  float* out = nullptr;  // [num_rows, dim], may be `gate`
};

// Row to + i becomes what row from + i was, for i in [0, count); to <= from. The ranges may
// overlap.
struct MoveRowsParams {
  uint8_t* rows = nullptr;  // [*, row_bytes]
  int64_t row_bytes = 0;
  int64_t from = 0;
  int64_t to = 0;
  int64_t count = 0;
};

struct BlockCopy {
  int32_t from = 0;
  int32_t to = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // "cpu"; and what of the machine enters the bits: "cpu/avx2", "cpu/portable", "cpu/reference".
  virtual std::string_view device() const = 0;
  virtual std::string DeviceClass() const = 0;
  virtual int32_t num_threads() const = 0;
  // The class that products with this weight type run in.
  virtual NumericClass ClassFor(WeightType type) const = 0;
  // Sequential read bandwidth of memory, measured briefly (0.1 s or so) with a temporary buffer of
  // the backend's LargeMemory, for the planner's ceiling. Bytes per second; 0: unknown.
  virtual double MeasureReadBandwidth() = 0;

  // The largest head dimension that its attention holds: CreateKvCache refuses larger ones, but a
  // planner asks before weights are loaded.
  virtual int32_t max_head_dim() const = 0;
  // Large memory that the backend took when it was made: scratch of its threads.
  virtual int64_t ScratchBytes() const = 0;
  // Bytes a matrix or cache will take, before anything is allocated: the planner's numbers.
  virtual int64_t MatrixBytes(WeightType type, int64_t rows, int64_t cols) const = 0;
  virtual int64_t KvBlockBytes(const KvShape& shape) const = 0;

  virtual absl::StatusOr<std::unique_ptr<Buffer>> CreateBuffer(int64_t bytes, memory::Tag tag) = 0;
  virtual absl::StatusOr<std::unique_ptr<Matrix>> CreateMatrix(WeightType type, int64_t rows,
                                                               int64_t cols) = 0;
  // Writes rows in their file format: `bytes` holds whole rows of RowBytes(type, cols). Rows of one
  // matrix may come in any order and from several threads.
  virtual absl::Status WriteRows(Matrix& matrix, int64_t first_row,
                                 absl::Span<const uint8_t> bytes) = 0;
  virtual absl::Status Upload(Buffer& buffer, int64_t offset, absl::Span<const uint8_t> bytes) = 0;
  virtual absl::Status Download(const Buffer& buffer, int64_t offset, absl::Span<uint8_t> out) = 0;

  virtual absl::StatusOr<std::unique_ptr<KvCache>> CreateKvCache(const KvShape& shape,
                                                                 int64_t num_blocks) = 0;
  virtual absl::Status CopyKvBlocks(KvCache& cache, absl::Span<const BlockCopy> copies) = 0;
  virtual absl::Status ReadKvBlock(const KvCache& cache, int32_t block,
                                   absl::Span<uint8_t> out) = 0;

  // Ops. Between BeginStep and EndStep; arguments were checked when the model was built.
  virtual absl::Status BeginStep(const Batch& batch) = 0;
  // Rows have left the step in flight: ops that follow name this batch. The rows' buffers are the
  // caller's to close up, with MoveRows; both happen after what was launched before.
  virtual absl::Status ChangeBatch(const Batch& batch) = 0;
  virtual absl::Status MoveRows(const MoveRowsParams& params) = 0;
  virtual absl::Status Embed(const EmbedParams& params, Range rows) = 0;
  virtual absl::Status RmsNorm(const RmsNormParams& params, Range rows) = 0;
  virtual absl::Status Prepare(const PrepareParams& params, Range rows) = 0;
  virtual absl::Status MatMul(const MatMulParams& params, Range features) = 0;
  virtual absl::Status RopeStore(const RopeStoreParams& params, Range rows) = 0;
  virtual absl::Status Attention(const AttentionParams& params, Range heads) = 0;
  virtual absl::Status SwiGlu(const SwiGluParams& params, Range rows) = 0;
  // Waits for what was launched; after it buffers hold the step's results.
  virtual absl::Status EndStep() = 0;
};

}  // namespace llmrt::backend
