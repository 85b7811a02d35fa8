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
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
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

// Rows in a format that matrix products read, written by the op that computes them.
struct PreparedRows {
  ActivationFormat format = ActivationFormat::kF32;
  uint8_t* rows = nullptr;  // [*][ActivationRowBytes(format, dim of the op)]
};

// out[i] = in[rows[i]] / sqrt(mean(in^2) + eps) * weight. Units: output rows.
struct RmsNormParams {
  const float* in = nullptr;      // [*, dim]
  const float* weight = nullptr;  // [dim]
  // Host; which input rows: the step's logit rows. Empty: output row i reads input row i.
  absl::Span<const int32_t> rows;
  int64_t dim = 0;
  float epsilon = 0;
  float* out = nullptr;  // [units, dim]
  // The same rows once more, each in its format, rounded from the float32 values. Where there are
  // any, `out` is scratch: what it holds afterwards in the rows of the range is nobody's business.
  absl::Span<const PreparedRows> prepared;
};

// Brings rows into the format that matrix products read: for ops that do not write it themselves.
// Units: rows.
struct PrepareParams {
  const float* in = nullptr;  // [num_rows, cols]
  int64_t cols = 0;
  ActivationFormat format = ActivationFormat::kF32;
  uint8_t* out = nullptr;  // [num_rows][ActivationRowBytes(format, cols)]
};

// out[m, n] = sum_k activations[m, k] * weight[n, k] (+ out[m, n] if accumulate: the residual,
// added last and once).
//
// Products of one call are run as one walk over their weights. Units: the output features of the
// first product, then those of the second, and so on, with nothing between them: unit u of products
// with 4 and 6 features is feature u of the first for u < 4, feature u - 4 of the second for u
// < 10. A range may begin and end anywhere. Products may differ in weight type and in activations,
// but not in rows; none reads or adds to what another one writes.
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

// Products of one MatMul: more are refused.
inline constexpr int kProductsMax = 4;

// out = silu(gate) * up. Units: rows.
struct SwiGluParams {
  const float* gate = nullptr;  // [num_rows, dim]
  const float* up = nullptr;    // [num_rows, dim]
  int64_t dim = 0;
  float* out = nullptr;  // [num_rows, dim], may be `gate`
  // As for RmsNorm: where there are any, `out` is scratch.
  absl::Span<const PreparedRows> prepared;
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

// A token to be drawn on the device from a row of logits, as the host's sampler would draw it: no
// penalties, bias, mask or filters.
struct DrawRequest {
  int32_t logit_row = 0;
  float temperature = 0;  // 0: the largest logit
  uint64_t seed = 0;
  int64_t position = 0;
  int32_t sample_index = 0;
};

// No tokens where `logits` allow no draw: the host's sampler has the words for it.
struct DrawParams {
  const float* logits = nullptr;  // [*, vocab_size]
  int64_t vocab_size = 0;
  absl::Span<const DrawRequest> requests;
};
inline constexpr int32_t kNoToken = -1;

// What the memory of all steps follows from.
struct StepNeeds {
  int64_t rows = 0;
  int64_t logit_rows = 0;      // also the sequences of a step
  int64_t context_length = 0;  // of any sequence
  int64_t vocab_size = 0;
  int32_t num_q_heads = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // "cpu"; and what of the machine enters the bits: "cpu/avx2", "cpu/portable", "cpu/reference".
  virtual std::string_view device() const = 0;
  virtual std::string DeviceClass() const = 0;
  virtual int32_t num_threads() const = 0;
  // Whether it multiplies with matrices of this type.
  virtual bool RunsWeights(WeightType) const { return true; }
  // The class that products with this weight type run in.
  virtual NumericClass ClassFor(WeightType type) const = 0;
  // Sequential read bandwidth of memory, measured briefly (0.1 s or so) with a temporary buffer of
  // the backend's LargeMemory, for the planner's ceiling. Bytes per second; 0: unknown.
  virtual double MeasureReadBandwidth() = 0;

  // The largest head dimension that its attention holds: CreateKvCache refuses larger ones, but a
  // planner asks before weights are loaded.
  virtual int32_t max_head_dim() const = 0;
  // Rows of a product with this weight that are best worked on together; a longer band of rows
  // gains nothing, and takes features out of a slice.
  virtual int64_t band_rows(const Matrix& weight) const {
    static_cast<void>(weight);
    return std::numeric_limits<int64_t>::max();
  }
  // Large memory that the backend took when it was made: scratch of its threads.
  virtual int64_t ScratchBytes() const = 0;
  // What the device's driver takes for itself, outside of every budget.
  virtual int64_t OverheadBytes() const { return 0; }
  // Memory of a device of its own that was free when it was opened; 0: not known.
  virtual int64_t FreeBytes() const { return 0; }
  // Bytes a matrix or cache will take, before anything is allocated: the planner's numbers.
  virtual int64_t MatrixBytes(WeightType type, int64_t rows, int64_t cols) const = 0;
  virtual int64_t KvBlockBytes(const KvShape& shape) const = 0;

  virtual absl::StatusOr<std::unique_ptr<Buffer>> CreateBuffer(int64_t bytes, memory::Tag tag) = 0;
  virtual absl::StatusOr<std::unique_ptr<Matrix>> CreateMatrix(WeightType type, int64_t rows,
                                                               int64_t cols) = 0;
  // Writes rows in their file format: `bytes` holds whole rows of RowBytes(type, cols). They begin
  // at a multiple of kRowsStep and end at one or with the matrix. Rows of one matrix may come in
  // any order, and inside RunTasks from several threads.
  virtual absl::Status WriteRows(Matrix& matrix, int64_t first_row,
                                 absl::Span<const uint8_t> bytes) = 0;
  static constexpr int64_t kRowsStep = 16;
  // Of one buffer different bytes, inside RunTasks from several threads. Waits for all that the
  // device was given, but where `upload_waits` says otherwise.
  virtual absl::Status Upload(Buffer& buffer, int64_t offset, absl::Span<const uint8_t> bytes) = 0;
  // False: Upload is a copy inside the host's memory, done at once, also between a step's ops.
  virtual bool upload_waits() const { return false; }
  virtual absl::Status Download(const Buffer& buffer, int64_t offset, absl::Span<uint8_t> out) = 0;

  // For the work of loading: each task from 0 to count - 1 once, begun in about that order, on the
  // backend's threads and the calling one. `worker` is below num_threads() and belongs to one
  // thread at a time; a thread may be several, one after another (the calling one is, where a host
  // runs a job inside the call that hands it over). Not during a step. Inside, tasks call nothing
  // of the backend but WriteRows and Upload. RESOURCE_EXHAUSTED or INTERNAL where an exception
  // ended it; tasks that had not begun are then left out.
  virtual absl::Status RunTasks(int64_t count,
                                absl::FunctionRef<void(int64_t task, int32_t worker)> task) {
    try {
      for (int64_t i = 0; i < count; ++i) task(i, 0);
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("no memory inside a task; free some and try again");
    } catch (...) {
      return absl::InternalError("an exception left a task");
    }
    return absl::OkStatus();
  }

  virtual absl::StatusOr<std::unique_ptr<KvCache>> CreateKvCache(const KvShape& shape,
                                                                 int64_t num_blocks) = 0;
  virtual absl::Status CopyKvBlocks(KvCache& cache, absl::Span<const BlockCopy> copies) = 0;
  virtual absl::Status ReadKvBlock(const KvCache& cache, int32_t block,
                                   absl::Span<uint8_t> out) = 0;

  // Memory that steps need besides buffers, caches and scratch. A backend runs steps for one pass
  // over one cache.
  virtual int64_t StepBytes(const StepNeeds&, const KvShape&) const { return 0; }
  virtual absl::Status ReserveSteps(const StepNeeds&, KvCache&) { return absl::OkStatus(); }

  // Ops. Between BeginStep and EndStep; arguments were checked when the model was built.
  // `logit_rows` are those rows of the batch whose logits are wanted, ascending.
  virtual absl::Status BeginStep(const Batch& batch, absl::Span<const int32_t> logit_rows) = 0;
  // Rows have left the step in flight: ops that follow name this batch. The rows' buffers are the
  // caller's to close up, with MoveRows; both happen after what was launched before.
  virtual absl::Status ChangeBatch(const Batch& batch, absl::Span<const int32_t> logit_rows) = 0;
  virtual absl::Status MoveRows(const MoveRowsParams& params) = 0;
  virtual absl::Status Embed(const EmbedParams& params, Range rows) = 0;
  virtual absl::Status RmsNorm(const RmsNormParams& params, Range rows) = 0;
  virtual absl::Status Prepare(const PrepareParams& params, Range rows) = 0;
  // A range that begins where the last call's ended, over the same products, goes on with it: rows
  // must hold what they held then, unless rows were moved or the batch changed in between.
  virtual absl::Status MatMul(absl::Span<const MatMulParams> products, Range features) = 0;
  virtual absl::Status RopeStore(const RopeStoreParams& params, Range rows) = 0;
  virtual absl::Status Attention(const AttentionParams& params, Range heads) = 0;
  virtual absl::Status SwiGlu(const SwiGluParams& params, Range rows) = 0;
  // Waits for what was launched, up to `wait_us` (-1: without limit). True: buffers hold the step's
  // results, and the step is over. False: ask again.
  virtual absl::StatusOr<bool> EndStep(int64_t wait_us) = 0;

  // For devices that work beside the host. The defaults are those of a backend that does not.

  // Draws on the device; the tokens of the last Draw, one a request, can be read after EndStep.
  virtual bool draws() const { return false; }
  virtual absl::Status Draw(const DrawParams&) { return absl::UnimplementedError("Draw"); }
  virtual absl::Status DrawnTokens(absl::Span<int32_t>) {
    return absl::UnimplementedError("DrawnTokens");
  }
  // `count` floats of device memory for the host to read, until the next call. After EndStep.
  virtual absl::StatusOr<absl::Span<const float>> HostView(const float* data, int64_t count) {
    return absl::Span<const float>(data, static_cast<size_t>(count));
  }
  // Ops between the two calls are recorded, not run. Replay runs them over the rows of the step in
  // flight, which may be fewer than those of the step that they were recorded in.
  virtual int32_t graph_slots() const { return 0; }
  virtual absl::Status BeginRecording(int32_t /*slot*/) {
    return absl::UnimplementedError("BeginRecording");
  }
  virtual absl::Status EndRecording() { return absl::UnimplementedError("EndRecording"); }
  virtual absl::Status Replay(int32_t /*slot*/) { return absl::UnimplementedError("Replay"); }
};

}  // namespace llmrt::backend
