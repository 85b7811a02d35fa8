#include "model/forward_pass.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "numerics/fp_mode.h"

namespace llmrt::model {
namespace {

using backend::ActivationFormat;
using backend::Matrix;
using backend::Range;

// How long a device that works beside the host is waited for before the caller is asked again.
constexpr int64_t kWaitUs = 50;

FormatSet FormatsOf(const LlamaWeights& weights, const backend::Backend& backend) {
  FormatSet formats;
  const auto add = [&](const Matrix& matrix) {
    formats.Add(backend.ClassFor(matrix.type()).activation);
  };
  add(weights.head());
  for (const LlamaLayer& layer : weights.layers) {
    for (const auto* matrix : {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate,
                               &layer.up, &layer.down}) {
      add(**matrix);
    }
  }
  return formats;
}

FormatSet FormatsOf(const LlamaConfig& config, const formats::ModelFile& file,
                    const backend::Backend& backend) {
  FormatSet formats;
  for (const formats::TensorInfo& tensor : file.tensors()) {
    // The embedding is multiplied by only where it stands in for the output matrix.
    const bool multiplied =
        tensor.num_dims == 2 && (tensor.name != "token_embd.weight" || config.tied_embeddings);
    if (multiplied) formats.Add(backend.ClassFor(tensor.type).activation);
  }
  return formats;
}

backend::StepNeeds StepNeedsOf(const LlamaConfig& config, const StepLimits& limits) {
  return {.rows = limits.rows,
          .logit_rows = limits.logit_rows,
          .context_length = limits.context_length,
          .vocab_size = config.vocab_size,
          .num_q_heads = config.num_q_heads};
}

}  // namespace

int64_t ForwardPass::WorkspaceBytes(const LlamaConfig& config, const formats::ModelFile& file,
                                    const backend::Backend& backend, const StepLimits& limits,
                                    const backend::KvShape& kv_shape) {
  return LayOutWorkspace(config, FormatsOf(config, file, backend), limits).total +
         backend.StepBytes(StepNeedsOf(config, limits), kv_shape);
}

ForwardPass::ForwardPass(const LlamaConfig& config, const LlamaWeights& weights,
                         backend::Backend& backend, backend::KvCache& cache,
                         const StepLimits& limits)
    : config_(config),
      weights_(weights),
      backend_(backend),
      cache_(cache),
      limits_(limits),
      sizer_(2 * static_cast<int>(Op::kDone), backend.num_threads()) {}

absl::StatusOr<std::unique_ptr<ForwardPass>> ForwardPass::Create(const LlamaConfig& config,
                                                                 const LlamaWeights& weights,
                                                                 backend::Backend& backend,
                                                                 backend::KvCache& cache,
                                                                 const StepLimits& limits) {
  // What is recorded is arithmetic of this thread, whose mode may be the host's.
  const numerics::ScopedFpMode fp_mode;
  std::unique_ptr<ForwardPass> pass(new ForwardPass(config, weights, backend, cache, limits));
  absl::Status status = pass->Allocate();
  if (status.ok()) status = pass->RecordGraphs();
  if (!status.ok()) return status;
  return pass;
}

absl::Status ForwardPass::Allocate() {
  const WorkspaceLayout layout = LayOutWorkspace(config_, FormatsOf(weights_, backend_), limits_);
  absl::StatusOr<std::unique_ptr<backend::Buffer>> buffer =
      backend_.CreateBuffer(layout.total, memory::Tag::kWorkspace);
  if (!buffer.ok()) return buffer.status();
  absl::Status reserved = backend_.ReserveSteps(StepNeedsOf(config_, limits_), cache_);
  if (!reserved.ok()) return reserved;
  buffer_ = *std::move(buffer);
  const auto at = [this](int64_t offset) {
    return reinterpret_cast<float*>(buffer_->data() + offset);
  };
  residual_ = at(layout.residual);
  normed_ = at(layout.normed);
  query_ = at(layout.query);
  key_ = at(layout.key);
  value_ = at(layout.value);
  attended_ = at(layout.attended);
  gate_ = at(layout.gate);
  up_ = at(layout.up);
  logits_ = at(layout.logits);
  rope_ = at(layout.rope);
  for (int i = 0; i < kActivationFormatCount; ++i) {
    if (layout.prepared[i] >= 0) prepared_[i] = buffer_->data() + layout.prepared[i];
  }
  rope_pieces_.emplace(config_.rope, limits_.context_length, layout.rope);
  return backend_.upload_waits() ? rope_pieces_->MakeAll(backend_, *buffer_) : absl::OkStatus();
}

absl::Status ForwardPass::CheckRows(const backend::Batch& batch,
                                    absl::Span<const int32_t> logit_rows) const {
  for (const int32_t position : batch.positions) {
    // Behind the last position ends the rope table.
    if (position >= 0 && position < limits_.context_length) continue;
    return absl::InternalError(absl::StrCat("a row at position ", position, "; the context has ",
                                            limits_.context_length, " positions"));
  }
  for (const int32_t row : logit_rows) {
    if (row >= 0 && row < batch.num_rows()) continue;
    return absl::InternalError(
        absl::StrCat("logits of row ", row, "; the step has ", batch.num_rows(), " rows"));
  }
  return absl::OkStatus();
}

absl::Status ForwardPass::Begin(const backend::Batch& batch, absl::Span<const int32_t> logit_rows) {
  if (batch.num_rows() < 1 || batch.num_rows() > limits_.rows ||
      static_cast<int64_t>(logit_rows.size()) > limits_.logit_rows) {
    return absl::InternalError(absl::StrCat("a step of ", batch.num_rows(), " rows and ",
                                            logit_rows.size(), " logit rows; the limits are ",
                                            limits_.rows, " and ", limits_.logit_rows));
  }
  absl::Status status = CheckRows(batch, logit_rows);
  if (status.ok()) status = backend_.BeginStep(batch, logit_rows);
  if (!status.ok()) return status;
  TakeBatch(batch, logit_rows);
  cursor_ = {.layer = 0, .op = Op::kEmbed};
  draws_ = {};
  in_step_ = true;
  return absl::OkStatus();
}

void ForwardPass::TakeBatch(const backend::Batch& batch, absl::Span<const int32_t> logit_rows) {
  batch_ = &batch;
  logit_rows_ = logit_rows;
  num_rows_ = batch.num_rows();
  rope_rows_ = 0;
}

absl::StatusOr<bool> ForwardPass::MakeRope(absl::FunctionRef<bool()> stop) {
  while (AtBegin() && rope_rows_ < num_rows_) {
    const int32_t position = batch_->positions[static_cast<size_t>(rope_rows_)];
    absl::StatusOr<bool> made = rope_pieces_->Make(position, backend_, *buffer_);
    if (!made.ok()) {
      Abandon();
      return made.status();
    }
    ++rope_rows_;
    if (*made && stop()) return false;
  }
  return true;
}

absl::StatusOr<bool> ForwardPass::Advance(int64_t slice_cost, absl::FunctionRef<bool()> stop) {
  const numerics::ScopedFpMode fp_mode;
  absl::StatusOr<bool> rope = MakeRope(stop);
  if (!rope.ok() || !*rope) return rope;
  absl::Status replayed = TryReplay();
  if (!replayed.ok()) return replayed;
  while (cursor_.op != Op::kDone) {
    const Slice slice = NextSlice(slice_cost);
    absl::Status status = RunSlice(slice.range);
    if (!status.ok()) return status;
    if (cursor_.op != Op::kDone && stop()) return false;
  }
  return EndStep(stop);
}

absl::StatusOr<bool> ForwardPass::AdvanceTimed(int64_t slice_us, absl::FunctionRef<bool()> stop) {
  const numerics::ScopedFpMode fp_mode;
  absl::StatusOr<bool> rope = MakeRope(stop);
  if (!rope.ok() || !*rope) return rope;
  absl::Status replayed = TryReplay();
  if (!replayed.ok()) return replayed;
  while (cursor_.op != Op::kDone) {
    const int kind = SliceKind();
    const Slice slice = NextSlice(sizer_.CostFor(kind, slice_us * 1000));
    const auto start = std::chrono::steady_clock::now();
    absl::Status status = RunSlice(slice.range);
    const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - start;
    sizer_.Record(kind, slice.cost, elapsed.count());
    if (!status.ok()) return status;
    if (cursor_.op != Op::kDone && stop()) return false;
  }
  return EndStep(stop);
}

absl::Status ForwardPass::RunSlice(Range range) {
  absl::Status status = RunOp(range);
  if (!status.ok()) {
    Abandon();
    return status;
  }
  FinishSlice(range);
  return status;
}

absl::StatusOr<bool> ForwardPass::EndStep(absl::FunctionRef<bool()> stop) {
  // The last slice is not always what brings the cursor to its end: rows that leave may do so.
  while (in_step_) {
    absl::StatusOr<bool> done = backend_.EndStep(kWaitUs);
    in_step_ = done.ok() && !*done;
    if (!done.ok()) return done.status();
    if (in_step_ && stop()) return false;
  }
  return true;
}

absl::StatusOr<absl::Span<const float>> ForwardPass::Logits(int64_t i) {
  return backend_.HostView(logits_ + i * config_.vocab_size, config_.vocab_size);
}

ForwardPass::Products ForwardPass::ProductsOf(Op op) const {
  const LlamaLayer& layer = weights_.layers[static_cast<size_t>(cursor_.layer)];
  switch (op) {
    case Op::kQueryKeyValue:
      return {{layer.query.get(), query_}, {layer.key.get(), key_}, {layer.value.get(), value_}};
    case Op::kOutput:
      return {{layer.output.get(), residual_}};
    case Op::kGateUp:
      return {{layer.gate.get(), gate_}, {layer.up.get(), up_}};
    case Op::kDown:
      return {{layer.down.get(), residual_}};
    case Op::kLogits:
      return {{&weights_.head(), logits_}};
    default:
      return {};
  }
}

int64_t ForwardPass::PreparedCols(Op op) const {
  switch (op) {
    case Op::kOutputPrepare:
    case Op::kOutput:
      return config_.q_dim();
    case Op::kSwiGlu:
    case Op::kDown:
      return config_.ffn_dim;
    default:
      return config_.dim;
  }
}

ForwardPass::PreparedOutputs ForwardPass::PreparedFor(Op op) const {
  // The weights that read one row may differ in type (a K-quant mix), so in format.
  FormatSet formats;
  for (const Product& product : ProductsOf(op)) {
    formats.Add(backend_.ClassFor(product.weight->type()).activation);
  }
  PreparedOutputs outputs;
  for (int i = 0; i < kActivationFormatCount; ++i) {
    if (!formats.used[i]) continue;
    outputs.push_back({.format = static_cast<ActivationFormat>(i), .rows = prepared_[i]});
  }
  return outputs;
}

absl::Status ForwardPass::RunOp(Range range) {
  switch (cursor_.op) {
    case Op::kEmbed:
      return backend_.Embed({.batch = batch_, .table = weights_.embedding.get(), .out = residual_},
                            range);
    case Op::kAttentionNorm:
      return Norm(2 * cursor_.layer, {}, Op::kQueryKeyValue, range);
    case Op::kFfnNorm:
      return Norm(2 * cursor_.layer + 1, {}, Op::kGateUp, range);
    case Op::kFinalNorm:
      return Norm(2 * config_.num_layers, logit_rows_, Op::kLogits, range);
    case Op::kRopeStore:
      return RunRopeStore(range);
    case Op::kAttention:
      return RunAttention(range);
    case Op::kOutputPrepare:
      return PrepareAttended(range);
    case Op::kSwiGlu:
      return RunSwiGlu(range);
    case Op::kQueryKeyValue:
    case Op::kOutput:
    case Op::kGateUp:
    case Op::kDown:
    case Op::kLogits:
      return Multiply(range);
    case Op::kDraw:
      return backend_.Draw(
          {.logits = logits_, .vocab_size = config_.vocab_size, .requests = draws_});
    case Op::kDone:
      break;
  }
  return absl::OkStatus();
}

absl::Status ForwardPass::Norm(int32_t index, absl::Span<const int32_t> rows, Op reader,
                               Range range) {
  const PreparedOutputs prepared = PreparedFor(reader);
  return backend_.RmsNorm({.in = residual_,
                           .weight = weights_.norm(index, config_.dim),
                           .rows = rows,
                           .dim = config_.dim,
                           .epsilon = config_.norm_epsilon,
                           .out = normed_,
                           .prepared = prepared},
                          range);
}

absl::Status ForwardPass::RunSwiGlu(Range range) {
  const PreparedOutputs prepared = PreparedFor(Op::kDown);
  return backend_.SwiGlu(
      {.gate = gate_, .up = up_, .dim = config_.ffn_dim, .out = gate_, .prepared = prepared},
      range);
}

absl::Status ForwardPass::RunRopeStore(Range range) {
  return backend_.RopeStore({.batch = batch_,
                             .rope_table = rope_,
                             .rope_dims = config_.rope.dims,
                             .q = query_,
                             .num_q_heads = config_.num_q_heads,
                             .k = key_,
                             .v = value_,
                             .cache = &cache_,
                             .layer = cursor_.layer},
                            range);
}

absl::Status ForwardPass::RunAttention(Range range) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  return backend_.Attention({.batch = batch_,
                             .q = query_,
                             .num_q_heads = config_.num_q_heads,
                             .scale = scale,
                             .cache = &cache_,
                             .layer = cursor_.layer,
                             .out = attended_},
                            range);
}

absl::Status ForwardPass::PrepareAttended(Range range) {
  for (const backend::PreparedRows& output : PreparedFor(Op::kOutput)) {
    absl::Status status = backend_.Prepare(
        {.in = attended_, .cols = config_.q_dim(), .format = output.format, .out = output.rows},
        range);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ForwardPass::Multiply(Range range) {
  // The two products that end in the residual add to it.
  const bool accumulate = cursor_.op == Op::kOutput || cursor_.op == Op::kDown;
  absl::InlinedVector<backend::MatMulParams, backend::kProductsMax> walk;
  for (const Product& product : ProductsOf(cursor_.op)) {
    const Matrix& weight = *product.weight;
    const ActivationFormat format = backend_.ClassFor(weight.type()).activation;
    const int64_t row_bytes = backend::ActivationRowBytes(format, weight.cols());
    const uint8_t* activations = prepared_[static_cast<int>(format)];
    walk.push_back({.weight = &weight,
                    .activations = activations + cursor_.band_begin * row_bytes,
                    .num_rows = cursor_.band_end - cursor_.band_begin,
                    .out = product.out + cursor_.band_begin * weight.rows(),
                    .out_stride = weight.rows(),
                    .accumulate = accumulate});
  }
  return backend_.MatMul(walk, range);
}

}  // namespace llmrt::model
