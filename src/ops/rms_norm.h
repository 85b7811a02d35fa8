// Root mean square normalization. For one row x of `dim` values with weight w:
//
//   sum   = 0; for each chunk of 512 values ascending: sum = sum + DotLanes(x_chunk, x_chunk)
//           (numerics/lanes.h: 16 lanes of fma from zero, the last group padded with zeros, the
//           tree)
//   scale = 1 / sqrt(sum / float(dim) + epsilon)      each an IEEE float32 operation
//   out   = (x * scale) * w                           two roundings
//
// Prepared rows are those of `out`, rounded as ops/prepare.h says.
#pragma once

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckRmsNorm(const backend::RmsNormParams& params, backend::Range rows);

// The contract above, operation by operation. `out` holds the float rows in any case, here and in
// PlainRmsNorm.
void OracleRmsNorm(const backend::RmsNormParams& params, backend::Range rows);

// Mode `reference`: the sum in double, ascending; scale and products in double, rounded once.
void PlainRmsNorm(const backend::RmsNormParams& params, backend::Range rows);

// Input row that output row `row` reads.
inline int64_t RmsNormInputRow(const backend::RmsNormParams& params, int64_t row) {
  return params.rows.empty() ? row : params.rows[row];
}

}  // namespace llmrt::ops
