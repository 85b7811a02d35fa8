// Checks that every op shares: ranges, the batch of a step and its block tables. A failed check is
// an error of the caller inside the library, so the status is INTERNAL: the host cannot cause one.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

// INTERNAL with `op: what`.
absl::Status OpError(std::string_view op, std::string_view what);

// 0 <= begin <= end <= limit.
absl::Status CheckRange(std::string_view op, backend::Range range, int64_t limit);

// The spans have one length, positions are not negative, sequences index the block tables, logit
// rows are rows.
absl::Status CheckBatch(const backend::Batch& batch, absl::Span<const int32_t> logit_rows);

// Every position 0 to positions[row] of each row in `rows` has a block inside the cache.
absl::Status CheckBlockTables(const backend::Batch& batch, const backend::KvCache& cache,
                              backend::Range rows);
// Whether that holds of all rows; without words, so without memory.
bool HasBlocks(const backend::Batch& batch, const backend::KvCache& cache);

// Number of keys that row `row` sees: its own position is the last.
inline int64_t NumKeys(const backend::Batch& batch, int64_t row) {
  return int64_t{batch.positions[row]} + 1;
}

}  // namespace llmrt::ops
