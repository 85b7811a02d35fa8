// The gated activation: out = Silu(gate) * up, with numerics::Silu and one rounded product.
#pragma once

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckSwiGlu(const backend::SwiGluParams& params, backend::Range rows);

void OracleSwiGlu(const backend::SwiGluParams& params, backend::Range rows);

// Mode `reference`: in double, rounded once.
void PlainSwiGlu(const backend::SwiGluParams& params, backend::Range rows);

}  // namespace llmrt::ops
