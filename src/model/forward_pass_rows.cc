// Rows that leave a step in flight. A row's values depend on no other row of the step but, through
// the KV cache, on earlier ones of its own sequence; so taking rows out is moving those behind them
// up, in the buffers that hold anything at this place of the step, and counting again.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/forward_pass.h"

namespace llmrt::model {
namespace {

// Buffers with a row for every row of the batch, as a set.
enum Live : uint32_t {
  kResidual = 1 << 0,
  kQueryRows = 1 << 1,
  kKeyRows = 1 << 2,
  kValueRows = 1 << 3,
  kAttended = 1 << 4,
  kGateRows = 1 << 5,
  kUpRows = 1 << 6,
  kPreparedRows = 1 << 7,
};

// What an op reads or writes, and what later ops read that were run before it. Everything else is
// written again before it is read.
uint32_t LiveAt(Op op) {
  switch (op) {
    case Op::kEmbed:
      return kResidual;
    case Op::kAttentionNorm:
    case Op::kFfnNorm:
      return kResidual | kPreparedRows;
    case Op::kQueryKeyValue:
      return kResidual | kPreparedRows | kQueryRows | kKeyRows | kValueRows;
    case Op::kRopeStore:
      return kResidual | kQueryRows | kKeyRows | kValueRows;
    case Op::kAttention:
      return kResidual | kQueryRows | kAttended;
    case Op::kOutputPrepare:
      return kResidual | kAttended | kPreparedRows;
    case Op::kOutput:
    case Op::kDown:
      return kResidual | kPreparedRows;
    case Op::kGateUp:
    case Op::kSwiGlu:
      return kResidual | kPreparedRows | kGateRows | kUpRows;
    case Op::kFinalNorm:
    case Op::kLogits:
    case Op::kDraw:
    case Op::kDone:
      break;
  }
  return 0;
}

// How many of the units [0, done) lie in [begin, end).
int64_t DoneIn(int64_t done, int64_t begin, int64_t end) {
  return std::max<int64_t>(0, std::min(done, end) - begin);
}

}  // namespace

absl::Status ForwardPass::RemoveRows(int64_t first, int64_t count, const backend::Batch& batch,
                                     absl::Span<const int32_t> logit_rows) {
  absl::Status status = CheckRemoval(first, count, batch);
  if (status.ok()) status = CheckRows(batch, logit_rows);
  if (status.ok()) status = backend_.ChangeBatch(batch, logit_rows);
  if (status.ok()) status = CloseUp(first, count);
  if (!status.ok()) {
    Abandon();
    return status;
  }
  TakeBatch(batch, logit_rows);
  CloseUpCursor(first, first + count);
  return status;
}

void ForwardPass::CloseUpCursor(int64_t begin, int64_t end) {
  if (ProductsOf(cursor_.op).empty()) {
    const int64_t per_row = UnitsPerRow(cursor_.op);
    cursor_.unit -= DoneIn(cursor_.unit, begin * per_row, end * per_row);
    if (cursor_.unit == Units(cursor_.op)) NextOp();
    return;
  }
  cursor_.band_begin -= DoneIn(cursor_.band_begin, begin, end);
  cursor_.band_end -= DoneIn(cursor_.band_end, begin, end);
  if (cursor_.band_begin < cursor_.band_end) return;
  // The band under way is gone, or none was.
  cursor_.unit = 0;
  if (cursor_.band_begin == RowsOf(cursor_.op)) NextOp();
}

absl::Status ForwardPass::CheckRemoval(int64_t first, int64_t count,
                                       const backend::Batch& batch) const {
  if (LiveAt(cursor_.op) == 0) {
    return absl::InternalError("rows leave a step that is over or has come to its logits");
  }
  const int64_t left = num_rows_ - count;
  if (first < 0 || count < 1 || first > left || left < 1 || batch.num_rows() != left) {
    return absl::InternalError(absl::StrCat("rows ", first, " to ", first + count, " of ",
                                            num_rows_, " leave a batch of ", batch.num_rows()));
  }
  return absl::OkStatus();
}

absl::Status ForwardPass::CloseUp(int64_t first, int64_t count) {
  const uint32_t live = LiveAt(cursor_.op);
  const auto move = [&](uint32_t which, uint8_t* rows, int64_t row_bytes) {
    if ((live & which) == 0) return absl::OkStatus();
    return backend_.MoveRows({.rows = rows,
                              .row_bytes = row_bytes,
                              .from = first + count,
                              .to = first,
                              .count = num_rows_ - first - count});
  };
  const struct {
    uint32_t which;
    float* rows;
    int64_t cols;
  } buffers[] = {{kResidual, residual_, config_.dim},     {kQueryRows, query_, config_.q_dim()},
                 {kKeyRows, key_, config_.kv_dim()},      {kValueRows, value_, config_.kv_dim()},
                 {kAttended, attended_, config_.q_dim()}, {kGateRows, gate_, config_.ffn_dim},
                 {kUpRows, up_, config_.ffn_dim}};
  for (const auto& buffer : buffers) {
    absl::Status status = move(buffer.which, reinterpret_cast<uint8_t*>(buffer.rows),
                               buffer.cols * int64_t{sizeof(float)});
    if (!status.ok()) return status;
  }
  for (int i = 0; i < kActivationFormatCount; ++i) {
    if (prepared_[i] == nullptr) continue;
    absl::Status status =
        move(kPreparedRows, prepared_[i],
             backend::ActivationRowBytes(static_cast<backend::ActivationFormat>(i),
                                         PreparedCols(cursor_.op)));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace llmrt::model
