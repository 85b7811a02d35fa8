// Rows move towards the front of their buffer, into the place of rows that left a step. The ranges
// may overlap: the result is as if all rows had been read before the first was written.
#pragma once

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckMoveRows(const backend::MoveRowsParams& params);

void OracleMoveRows(const backend::MoveRowsParams& params);

}  // namespace llmrt::ops
