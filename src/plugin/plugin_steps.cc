// Steps of a PluginBackend: their memory, their beginning and end, and what is read back of them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ops/batch.h"
#include "plugin/plugin_backend.h"

namespace llmrt::plugin {
namespace {

using backend::Batch;
using backend::PluginDrawRequest;
using backend::PluginDrawResult;
using ops::OpError;

backend::PluginStepNeeds NeedsOf(const backend::StepNeeds& needs, const backend::KvShape& shape) {
  const int64_t blocks = (needs.context_length + shape.block_size - 1) / shape.block_size;
  return {.rows = needs.rows,
          .logit_rows = needs.logit_rows,
          .table_entries = needs.logit_rows * blocks,
          .context_length = needs.context_length,
          .vocab_size = needs.vocab_size,
          .num_q_heads = needs.num_q_heads,
          .num_kv_heads = shape.num_kv_heads,
          .head_dim = shape.head_dim};
}

// Device and pinned memory, which the plugin takes.
int64_t PluginBytes(const backend::PluginTable& table, const backend::PluginStepNeeds& needs) {
  int64_t device_bytes = 0, host_bytes = 0;
  table.step_bytes(&needs, &device_bytes, &host_bytes);
  return device_bytes + host_bytes;
}

// Ours: requests and results of draws, and a row of logits.
int64_t HostBytes(const backend::PluginStepNeeds& needs) {
  constexpr auto kDraw = static_cast<int64_t>(sizeof(PluginDrawRequest) + sizeof(PluginDrawResult));
  return needs.logit_rows * kDraw + needs.vocab_size * static_cast<int64_t>(sizeof(float));
}

}  // namespace

int64_t PluginBackend::StepBytes(const backend::StepNeeds& needs,
                                 const backend::KvShape& shape) const {
  const backend::PluginStepNeeds all = NeedsOf(needs, shape);
  return PluginBytes(table(), all) + HostBytes(all);
}

absl::Status PluginBackend::ReserveSteps(const backend::StepNeeds& needs, backend::KvCache& cache) {
  if (cache_ != nullptr) return OpError("ReserveSteps", "steps are reserved for another pass");
  needs_ = NeedsOf(needs, cache.shape());
  absl::StatusOr<memory::LargeBuffer> host =
      memory_.Allocate(HostBytes(needs_), memory::Tag::kWorkspace);
  if (!host.ok()) return host.status();
  absl::StatusOr<memory::ForeignMemory> charge =
      memory_.ChargeForeign(PluginBytes(table(), needs_), memory::Tag::kWorkspace);
  if (!charge.ok()) return charge.status();
  absl::Status status = device_->Call(table().reserve_steps, &needs_);
  if (!status.ok()) return status;
  steps_ = *std::move(charge);
  host_ = *std::move(host);
  cache_ = static_cast<const PluginKvCache*>(&cache);
  return absl::OkStatus();
}

PluginDrawRequest* PluginBackend::Requests() const {
  return reinterpret_cast<PluginDrawRequest*>(host_.data());
}
PluginDrawResult* PluginBackend::Results() const {
  return reinterpret_cast<PluginDrawResult*>(Requests() + needs_.logit_rows);
}
float* PluginBackend::View() const {
  return reinterpret_cast<float*>(Results() + needs_.logit_rows);
}

absl::Status PluginBackend::CheckStep(const Batch& batch,
                                      absl::Span<const int32_t> logit_rows) const {
  if (cache_ == nullptr) return OpError("batch", "no steps are reserved");
  if (absl::Status status = ops::CheckBatch(batch, logit_rows); !status.ok()) return status;
  if (batch.num_rows() > needs_.rows ||
      static_cast<int64_t>(logit_rows.size()) > needs_.logit_rows ||
      static_cast<int64_t>(batch.block_tables.size()) > needs_.logit_rows) {
    return OpError(
        "batch", absl::StrCat(batch.num_rows(), " rows, ", logit_rows.size(), " logit rows, ",
                              batch.block_tables.size(), " sequences; reserved were ", needs_.rows,
                              ", ", needs_.logit_rows, ", ", needs_.logit_rows));
  }
  return absl::OkStatus();
}

absl::Status PluginBackend::WriteTables(const Batch& batch, const backend::PluginStepMemory& memory,
                                        backend::PluginStepCounts* counts) const {
  const int32_t block_size = cache_->shape().block_size;
  const size_t sequences = batch.block_tables.size();
  // First the blocks that each sequence needs, then where they start.
  std::fill_n(memory.table_starts, sequences, 0);
  counts->sequences = static_cast<int32_t>(sequences);
  if (!has_tables_) return absl::OkStatus();
  for (size_t row = 0; row < batch.positions.size(); ++row) {
    int32_t& needed = memory.table_starts[batch.sequences[row]];
    needed = std::max(needed, batch.positions[row] / block_size + 1);
  }
  int64_t entries = 0;
  for (size_t sequence = 0; sequence < sequences; ++sequence) {
    const auto needed = static_cast<size_t>(memory.table_starts[sequence]);
    memory.table_starts[sequence] = static_cast<int32_t>(entries);
    if (static_cast<int64_t>(needed) > needs_.table_entries - entries) {
      return OpError("block table", absl::StrCat("a step names more than the ",
                                                 needs_.table_entries, " blocks reserved"));
    }
    for (const int32_t block : batch.block_tables[sequence].first(needed)) {
      memory.blocks[entries++] = cache_->AddressOf(block);
    }
  }
  counts->table_entries = static_cast<int32_t>(entries);
  return absl::OkStatus();
}

absl::Status PluginBackend::WriteStep(const Batch& batch, absl::Span<const int32_t> logit_rows,
                                      backend::PluginStepCounts* counts) {
  backend::PluginStepMemory memory = {};
  absl::Status status = device_->Call(table().step_memory, &memory);
  if (!status.ok()) return status;
  std::copy(batch.tokens.begin(), batch.tokens.end(), memory.tokens);
  std::copy(batch.positions.begin(), batch.positions.end(), memory.positions);
  std::copy(batch.sequences.begin(), batch.sequences.end(), memory.sequences);
  std::copy(logit_rows.begin(), logit_rows.end(), memory.logit_rows);
  counts->rows = static_cast<int32_t>(batch.num_rows());
  counts->logit_rows = static_cast<int32_t>(logit_rows.size());
  return WriteTables(batch, memory, counts);
}

absl::Status PluginBackend::BeginStep(const Batch& batch, absl::Span<const int32_t> logit_rows) {
  return TakeStep(batch, logit_rows, /*rows_leave=*/false);
}

// The table has one function for both: what it is given takes the place of the step in flight. Of
// rows that leave one after the other, the last ones are still there without their blocks.
absl::Status PluginBackend::ChangeBatch(const Batch& batch, absl::Span<const int32_t> logit_rows) {
  return TakeStep(batch, logit_rows, /*rows_leave=*/true);
}

absl::Status PluginBackend::TakeStep(const Batch& batch, absl::Span<const int32_t> logit_rows,
                                     bool rows_leave) {
  backend::PluginStepCounts counts = {};
  absl::Status status = CheckStep(batch, logit_rows);
  if (!status.ok()) return status;
  // Once a step: the ops of every layer rely on it.
  has_tables_ = ops::HasBlocks(batch, *cache_);
  if (!has_tables_ && !rows_leave) {
    return ops::CheckBlockTables(batch, *cache_, {0, batch.num_rows()});
  }
  status = WriteStep(batch, logit_rows, &counts);
  if (status.ok()) status = device_->Call(table().begin_step, &counts);
  if (!status.ok()) return status;
  num_rows_ = counts.rows;
  num_logit_rows_ = counts.logit_rows;
  num_drawn_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> PluginBackend::EndStep(int64_t wait_us) {
  int32_t done = 0;
  absl::Status status = device_->Call(table().end_step, wait_us, &done);
  if (!status.ok()) return status;
  return done != 0;
}

absl::Status PluginBackend::Draw(const backend::DrawParams& params) {
  const auto count = static_cast<int64_t>(params.requests.size());
  if (params.logits == nullptr || params.vocab_size != needs_.vocab_size ||
      count > needs_.logit_rows) {
    return OpError("Draw",
                   absl::StrCat(count, " draws from ", params.vocab_size, " logits; reserved were ",
                                needs_.logit_rows, " from ", needs_.vocab_size));
  }
  num_drawn_ = 0;
  if (count == 0) return absl::OkStatus();
  for (int64_t i = 0; i < count; ++i) {
    const backend::DrawRequest& request = params.requests[static_cast<size_t>(i)];
    if (request.logit_row < 0 || request.logit_row >= num_logit_rows_) {
      return OpError("Draw",
                     absl::StrCat("from logit row ", request.logit_row, " of ", num_logit_rows_));
    }
    Requests()[i] = {.logit_row = request.logit_row,
                     .temperature = request.temperature,
                     .seed = request.seed,
                     .position = request.position,
                     .sample_index = request.sample_index,
                     .reserved = 0};
  }
  absl::Status status =
      device_->Call(table().draw, reinterpret_cast<uint64_t>(params.logits), Requests(), count);
  if (status.ok()) num_drawn_ = count;
  return status;
}

absl::Status PluginBackend::DrawnTokens(absl::Span<int32_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  if (count > num_drawn_) {
    return OpError("DrawnTokens", absl::StrCat(count, " tokens of ", num_drawn_, " drawn"));
  }
  if (count == 0) return absl::OkStatus();
  absl::Status status = device_->Call(table().draw_results, Results(), count);
  if (!status.ok()) return status;
  for (int64_t i = 0; i < count; ++i) {
    const bool drawn = Results()[i].state == 0;
    tokens[static_cast<size_t>(i)] = drawn ? Results()[i].token : backend::kNoToken;
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> PluginBackend::HostView(const float* data, int64_t count) {
  if (data == nullptr || count < 0 || count > needs_.vocab_size) {
    return OpError("HostView", absl::StrCat(count, " floats; reserved were ", needs_.vocab_size));
  }
  absl::Status status = device_->Call(table().download, View(), reinterpret_cast<uint64_t>(data),
                                      count * static_cast<int64_t>(sizeof(float)));
  if (!status.ok()) return status;
  return absl::Span<const float>(View(), static_cast<size_t>(count));
}

absl::Status PluginBackend::BeginRecording(int32_t slot) {
  if (slot < 0 || slot >= backend::kPluginGraphSlots) {
    return OpError("BeginRecording", absl::StrCat("slot ", slot));
  }
  return device_->Call(table().begin_recording, slot);
}

absl::Status PluginBackend::EndRecording() { return device_->Call(table().end_recording); }

absl::Status PluginBackend::Replay(int32_t slot) {
  if (slot < 0 || slot >= backend::kPluginGraphSlots) {
    return OpError("Replay", absl::StrCat("slot ", slot));
  }
  return device_->Call(table().replay, slot);
}

}  // namespace llmrt::plugin
