// The gated activation: out = Silu(gate) * up, with numerics::Silu and one rounded product.
// Prepared rows are those of `out`, rounded as ops/prepare.h says.
#pragma once

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckSwiGlu(const backend::SwiGluParams& params, backend::Range rows);

// `out` holds the float rows in any case, here and in PlainSwiGlu.
void OracleSwiGlu(const backend::SwiGluParams& params, backend::Range rows);

// Mode `reference`: in double, rounded once.
void PlainSwiGlu(const backend::SwiGluParams& params, backend::Range rows);

}  // namespace llmrt::ops
