// Steps that a device replays as a whole. Launching the ops of a small step one by one takes a fast
// device longer than running them, so where the backend records, steps of 1, 2, 4, ... rows are
// recorded once, and a step of few rows is run as the smallest recording that holds it: rows that
// it has more are computed for nobody.
#include <algorithm>
#include <vector>

#include "model/forward_pass.h"

namespace llmrt::model {
namespace {

// Larger steps keep the device busy for longer than their launches take.
constexpr int64_t kGraphRowsMax = 64;

}  // namespace

absl::Status ForwardPass::RecordGraphs() {
  const int64_t rows_max = std::min({limits_.rows, limits_.logit_rows, kGraphRowsMax});
  const int32_t slots = backend_.graph_slots();
  for (int32_t slot = 0; slot < slots && int64_t{1} << slot <= rows_max; ++slot) {
    absl::Status status = RecordGraph(slot);
    Abandon();
    if (!status.ok()) return status;
    num_graphs_ = slot + 1;
  }
  return absl::OkStatus();
}

absl::Status ForwardPass::RecordGraph(int32_t slot) {
  const auto rows = size_t{1} << slot;
  // What a replay works on is the batch of its own step; here only the number of rows counts.
  const std::vector<int32_t> zeros(rows, 0);
  std::vector<int32_t> logit_rows(rows);
  for (size_t i = 0; i < rows; ++i) logit_rows[i] = static_cast<int32_t>(i);
  const int32_t block = 0;
  const absl::Span<const int32_t> table(&block, 1);
  const backend::Batch batch = {
      .tokens = zeros, .positions = zeros, .sequences = zeros, .block_tables = {&table, 1}};
  absl::Status status = Begin(batch, logit_rows);
  if (status.ok()) status = backend_.BeginRecording(slot);
  if (!status.ok()) return status;
  while (status.ok() && cursor_.op != Op::kDone) {
    status = RunSlice(NextSlice(INT64_MAX / 2).range);
  }
  // Ended also after a failure: nothing else can be launched while a recording is open.
  absl::Status ended = backend_.EndRecording();
  return status.ok() ? ended : status;
}

absl::Status ForwardPass::TryReplay() {
  if (num_graphs_ == 0 || !AtBegin() || logit_rows_.empty()) return absl::OkStatus();
  int32_t slot = 0;
  while (slot < num_graphs_ && int64_t{1} << slot < num_rows_) ++slot;
  if (slot == num_graphs_) return absl::OkStatus();
  absl::Status status = backend_.Replay(slot);
  if (!status.ok()) {
    Abandon();
    return status;
  }
  cursor_ = {.layer = config_.num_layers - 1, .op = draws_.empty() ? Op::kDone : Op::kDraw};
  return status;
}

}  // namespace llmrt::model
