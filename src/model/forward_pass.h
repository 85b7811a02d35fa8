// One step of the transformer as a resumable cursor. A step runs a ragged batch of rows (tokens of
// any sequences at any positions) through every layer; Advance does some of it and may return
// between any two slices, so that a host's frame, a cancelled prompt or a closing engine never
// waits for a whole step of the host's own. What a device has been given it runs to the end: small
// steps are replayed there as a whole.
//
// A slice is a range of units of one op of one layer. Where a step is cut changes no bit: every
// unit is computed alike however the range around it is chosen.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "model/llama_config.h"
#include "model/llama_weights.h"
#include "model/rope_pieces.h"
#include "model/slice_sizer.h"
#include "model/workspace_layout.h"

namespace llmrt::model {

// The ops of a layer in their order, then those after the last layer. Norms and the gated
// activation write the rows that the products behind them read in those products' formats.
enum class Op : uint8_t {
  kEmbed,
  kAttentionNorm,
  kQueryKeyValue,  // three products in one walk
  kRopeStore,
  kAttention,
  kOutputPrepare,
  kOutput,
  kFfnNorm,
  kGateUp,  // two products in one walk
  kSwiGlu,
  kDown,
  kFinalNorm,
  kLogits,
  kDraw,  // on devices that draw, where something is to be drawn
  kDone,
};

struct Cursor {
  int32_t layer = 0;
  Op op = Op::kDone;
  int64_t unit = 0;  // first one that is not done
  // Of matrix products: their rows before `band_begin` are done; those of the band are done for the
  // features before `unit`, counted through the products of the walk. Empty: the next slice begins
  // a band.
  int64_t band_begin = 0;
  int64_t band_end = 0;
};

class ForwardPass {
 public:
  // What Create will allocate, for the plan.
  static int64_t WorkspaceBytes(const LlamaConfig& config, const formats::ModelFile& file,
                                const backend::Backend& backend, const StepLimits& limits,
                                const backend::KvShape& kv_shape);

  // Everything referenced must outlive the pass. All memory of all steps is allocated here.
  static absl::StatusOr<std::unique_ptr<ForwardPass>> Create(const LlamaConfig& config,
                                                             const LlamaWeights& weights,
                                                             backend::Backend& backend,
                                                             backend::KvCache& cache,
                                                             const StepLimits& limits);

  // Starts a step, within the limits; `logit_rows` are rows of the batch, ascending. Both stay the
  // caller's and must stay valid until the step is done or abandoned. INTERNAL where rows,
  // positions or logit rows leave the limits: nothing was started.
  absl::Status Begin(const backend::Batch& batch, absl::Span<const int32_t> logit_rows);

  // Tokens to be drawn on the device at the end of the step in flight, where the backend draws; the
  // requests stay the caller's, to be given again when rows leave. None after Begin.
  void SetDraws(absl::Span<const backend::DrawRequest> requests) { draws_ = requests; }

  // Runs slices of about `slice_cost` (multiply-adds, or bytes of weights doubled, whichever is
  // more) until `stop` says so, at least one. True when the step is done. Pieces of the rope table
  // that the step's rows are the first to need come before all slices and count as such.
  absl::StatusOr<bool> Advance(int64_t slice_cost, absl::FunctionRef<bool()> stop);

  // The same with slices that take about `slice_us` each, by what earlier ones took.
  absl::StatusOr<bool> AdvanceTimed(int64_t slice_us, absl::FunctionRef<bool()> stop);

  // Takes rows [first, first + count) out of a step in flight, between two calls of Advance and
  // before the cursor has come to the final ops; to the rows that stay it is as if the others had
  // never been there. Rows that stay must not attend to tokens of the rows that leave. `batch` and
  // `logit_rows` are what remains, at least one row; they may be the ones that Begin was given,
  // closed up in place, and stay the caller's in the same way. INTERNAL where they do not fit the
  // step or the cursor is too far, or the backend's error: the step is then abandoned. A removal
  // may itself bring the cursor to the final ops (the rows that leave were all that the last kDown
  // had to do): the next one must then be left out, and its rows run to the end for nobody.
  absl::Status RemoveRows(int64_t first, int64_t count, const backend::Batch& batch,
                          absl::Span<const int32_t> logit_rows);

  // Forgets the step. KV that it has written belongs to nobody's tokens and is written over.
  void Abandon() {
    cursor_.op = Op::kDone;
    in_step_ = false;
  }

  // After a step is done: logits of the i-th of its logit_rows, [vocab_size], valid until the next
  // call or Begin.
  absl::StatusOr<absl::Span<const float>> Logits(int64_t i);
  // The tokens that SetDraws asked for, kNoToken where the logits allow none.
  absl::Status DrawnTokens(absl::Span<int32_t> tokens) { return backend_.DrawnTokens(tokens); }

  const Cursor& cursor() const { return cursor_; }
  // Layers done, of those there are: 0 to 1.
  double Progress() const { return cursor_.layer / static_cast<double>(config_.num_layers); }

 private:
  ForwardPass(const LlamaConfig& config, const LlamaWeights& weights, backend::Backend& backend,
              backend::KvCache& cache, const StepLimits& limits);
  absl::Status Allocate();
  absl::Status CheckRows(const backend::Batch& batch, absl::Span<const int32_t> logit_rows) const;
  absl::Status CheckRemoval(int64_t first, int64_t count, const backend::Batch& batch) const;
  // Moves the rows behind [first, first + count) up, wherever they hold anything.
  absl::Status CloseUp(int64_t first, int64_t count);
  // The cursor when the rows [begin, end) are gone.
  void CloseUpCursor(int64_t begin, int64_t end);
  void TakeBatch(const backend::Batch& batch, absl::Span<const int32_t> logit_rows);

  // Recorded steps: forward_pass_graphs.cc.
  absl::Status RecordGraphs();
  absl::Status RecordGraph(int32_t slot);
  // Runs the step from a recording, if it has just begun and fits one.
  absl::Status TryReplay();

  // One of the matrix products that an op runs in one walk.
  struct Product {
    const backend::Matrix* weight;
    float* out;  // [rows, features]
  };
  using Products = absl::InlinedVector<Product, backend::kProductsMax>;
  using PreparedOutputs = absl::InlinedVector<backend::PreparedRows, kActivationFormatCount>;

  // Cutting: forward_pass_slices.cc.
  struct Slice {
    backend::Range range;
    int64_t cost = 0;
  };
  int64_t RowsOf(Op op) const;
  int64_t Units(Op op) const;
  int64_t UnitsPerRow(Op op) const;  // of an op that is not a matrix product
  int64_t RowUnitCost() const;
  int64_t FeatureStep() const;
  int SliceKind() const;
  Slice NextSlice(int64_t slice_cost);
  Slice MatMulSlice(const Products& products, int64_t slice_cost);
  Slice AttentionSlice(int64_t slice_cost) const;
  void PickBand(const backend::Matrix& weight, int64_t slice_cost);
  int64_t FeatureCost(const backend::Matrix& matrix) const;
  void FinishSlice(backend::Range range);
  void NextOp();

  // Columns of the prepared rows that an op writes or reads.
  int64_t PreparedCols(Op op) const;
  // In the order of their units; none where the op is something else.
  Products ProductsOf(Op op) const;
  // Outputs of the op before `op`: rows in every format that its products read.
  PreparedOutputs PreparedFor(Op op) const;
  absl::Status RunSlice(backend::Range range);
  // Whether the step in flight has done nothing yet.
  bool AtBegin() const { return cursor_.op == Op::kEmbed && cursor_.unit == 0; }
  // Makes what is missing of the rope table for the step's rows; false where `stop` said so first.
  absl::StatusOr<bool> MakeRope(absl::FunctionRef<bool()> stop);
  // Ends the backend's step if it is under way: waits for it until `stop` says so.
  absl::StatusOr<bool> EndStep(absl::FunctionRef<bool()> stop);
  absl::Status RunOp(backend::Range range);
  absl::Status RunAttention(backend::Range range);
  absl::Status RunRopeStore(backend::Range range);
  absl::Status RunSwiGlu(backend::Range range);
  // `rows`: those to be normalized, none for all of the batch. `reader` multiplies them.
  absl::Status Norm(int32_t index, absl::Span<const int32_t> rows, Op reader, backend::Range range);
  absl::Status PrepareAttended(backend::Range range);
  absl::Status Multiply(backend::Range range);

  const LlamaConfig& config_;
  const LlamaWeights& weights_;
  backend::Backend& backend_;
  backend::KvCache& cache_;
  const StepLimits limits_;
  std::unique_ptr<backend::Buffer> buffer_;
  // Parts of buffer_, all float32 and [rows, *] unless said; some share memory (WorkspaceLayout).
  float* residual_ = nullptr;  // [rows, dim]
  float* normed_ = nullptr;    // [rows, dim], scratch of a norm
  float* query_ = nullptr;     // [rows, q_dim]
  float* key_ = nullptr;       // [rows, kv_dim]
  float* value_ = nullptr;     // [rows, kv_dim]
  float* attended_ = nullptr;  // [rows, q_dim]
  float* gate_ = nullptr;      // [rows, ffn_dim]
  float* up_ = nullptr;        // [rows, ffn_dim]
  float* logits_ = nullptr;    // [logit_rows, vocab_size]
  float* rope_ = nullptr;      // [context_length, rope dims]: cos and sin by turns
  // By ActivationFormat: what the next matrix product reads. Null where no weight reads the format.
  uint8_t* prepared_[kActivationFormatCount] = {};

  std::optional<RopePieces> rope_pieces_;  // fills rope_

  const backend::Batch* batch_ = nullptr;
  absl::Span<const int32_t> logit_rows_;
  absl::Span<const backend::DrawRequest> draws_;
  int64_t num_rows_ = 0;    // of the batch
  int64_t rope_rows_ = 0;   // of these, those that the rope table is known to have
  int32_t num_graphs_ = 0;  // graph i runs steps of up to 2^i rows
  SliceSizer sizer_;
  Cursor cursor_;
  bool in_step_ = false;  // the backend's step was begun, and neither ended nor abandoned
};

}  // namespace llmrt::model
