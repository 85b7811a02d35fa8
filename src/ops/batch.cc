#include "ops/batch.h"

#include "absl/strings/str_cat.h"

namespace llmrt::ops {

using backend::Batch;
using backend::Range;

absl::Status OpError(std::string_view op, std::string_view what) {
  return absl::InternalError(absl::StrCat(op, ": ", what));
}

absl::Status CheckRange(std::string_view op, Range range, int64_t limit) {
  if (range.begin < 0 || range.begin > range.end || range.end > limit) {
    return OpError(
        op, absl::StrCat("range ", range.begin, " to ", range.end, " is not inside 0 to ", limit));
  }
  return absl::OkStatus();
}

absl::Status CheckBatch(const Batch& batch, absl::Span<const int32_t> logit_rows) {
  const size_t rows = batch.tokens.size();
  if (batch.positions.size() != rows || batch.sequences.size() != rows) {
    return OpError("batch", absl::StrCat(rows, " tokens, ", batch.positions.size(), " positions, ",
                                         batch.sequences.size(), " sequences"));
  }
  for (size_t row = 0; row < rows; ++row) {
    if (batch.positions[row] < 0) {
      return OpError("batch", absl::StrCat("row ", row, " has position ", batch.positions[row]));
    }
    const int32_t sequence = batch.sequences[row];
    if (sequence < 0 || static_cast<size_t>(sequence) >= batch.block_tables.size()) {
      return OpError("batch", absl::StrCat("row ", row, " has sequence ", sequence, " of ",
                                           batch.block_tables.size()));
    }
  }
  for (const int32_t row : logit_rows) {
    if (row < 0 || static_cast<size_t>(row) >= rows) {
      return OpError("batch", absl::StrCat("logits of row ", row, " of ", rows));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBlockTables(const Batch& batch, const backend::KvCache& cache, Range rows) {
  const int64_t block_size = cache.shape().block_size;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const absl::Span<const int32_t> table = batch.block_tables[batch.sequences[row]];
    const int64_t needed = (NumKeys(batch, row) + block_size - 1) / block_size;
    if (needed > static_cast<int64_t>(table.size())) {
      return OpError("block table",
                     absl::StrCat("row ", row, " needs ", needed, " blocks, has ", table.size()));
    }
    for (int64_t i = 0; i < needed; ++i) {
      if (table[i] < 0 || table[i] >= cache.num_blocks()) {
        return OpError("block table", absl::StrCat("row ", row, " names block ", table[i], " of ",
                                                   cache.num_blocks()));
      }
    }
  }
  return absl::OkStatus();
}

bool HasBlocks(const Batch& batch, const backend::KvCache& cache) {
  const int64_t block_size = cache.shape().block_size;
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    // The next row of the same sequence needs these blocks, too.
    const bool covered = row + 1 < batch.num_rows() &&
                         batch.sequences[row + 1] == batch.sequences[row] &&
                         batch.positions[row + 1] >= batch.positions[row];
    if (covered) continue;
    const absl::Span<const int32_t> table = batch.block_tables[batch.sequences[row]];
    const int64_t needed = (NumKeys(batch, row) + block_size - 1) / block_size;
    if (needed > static_cast<int64_t>(table.size())) return false;
    for (int64_t i = 0; i < needed; ++i) {
      if (table[i] < 0 || table[i] >= cache.num_blocks()) return false;
    }
  }
  return true;
}

}  // namespace llmrt::ops
