// Token embedding: out[r] = row tokens[r] of the table, dequantized to float32. Every backend gives
// the bits of quant::DequantizeRow, so there is one implementation to compare with.
#pragma once

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

// Pointers are set, the range is inside the batch, every token in it is a row of the table.
absl::Status CheckEmbed(const backend::EmbedParams& params, backend::Range rows);

// `params.table` must be a HostMatrix.
void OracleEmbed(const backend::EmbedParams& params, backend::Range rows);

}  // namespace llmrt::ops
