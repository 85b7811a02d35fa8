// Round-to-nearest quantizers from float32 to every weight type, in the field's conventions for
// each block. They serve tests, synthetic models and export; methods that look at activations are
// elsewhere.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backend/weight_type.h"

namespace llmrt::quant {

// Writes `row` as `type` into `out`, which holds exactly RowBytes(type, row.size()) bytes.
//
// INVALID_ARGUMENT: a length that is not whole blocks, an `out` of another size, or, for quantized
// types, a value that is not finite or whose magnitude is above 500000 (Q4_1, Q5_1: 65504), where
// the F16 numbers of a block could overflow. F32, F16 and BF16 take any value; F16 makes 65520
// infinite.
absl::Status QuantizeRow(backend::WeightType type, absl::Span<const float> row,
                         absl::Span<uint8_t> out);

}  // namespace llmrt::quant
