// Activations in the format that a matrix product reads (backend/numeric_class.h):
//
//   kF32   a copy, extended with zeros to 128 bytes
//   kBF16  rounded to nearest even (numerics::F32ToBF16), extended with zeros to 128 bytes
//   kF16   the same in float16 (numerics::F32ToF16)
//   kInt8  blocks of 32 by numerics::QuantizeBlock32; a last short block counts as padded with
//   zeros
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckPrepare(const backend::PrepareParams& params, backend::Range rows);

void OraclePrepare(const backend::PrepareParams& params, backend::Range rows);

// Rows that another op, `op`, writes in these formats besides its own floats.
absl::Status CheckPrepared(std::string_view op, absl::Span<const backend::PreparedRows> prepared);

// Prepares rows `rows` of `in`, [*, cols], in every format that is asked for.
void OraclePrepared(const float* in, int64_t cols, absl::Span<const backend::PreparedRows> prepared,
                    backend::Range rows);

}  // namespace llmrt::ops
