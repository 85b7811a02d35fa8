// From a row as the file has it to float32: the reference that every kernel's weights are held to.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backend/weight_type.h"
#include "quant/integer_block.h"

namespace llmrt::quant {

// Writes the float32 value of each weight of `row`. Exact for every type but those with an offset
// (Q4_1, Q5_1, Q4_K, Q5_K), where it is the exact value rounded once, to nearest even.
//
// INVALID_ARGUMENT when `row` is not as long as out.size() values of the type are.
absl::Status DequantizeRow(backend::WeightType type, absl::Span<const uint8_t> row,
                           absl::Span<float> out);

// The same for the 32 values of one block.
void DequantizeBlock(const IntegerBlock& block, float* out);

}  // namespace llmrt::quant
