// Rotary position embedding, and storing keys and values in the cache. For a pair (x0, x1) and
// (c, s) = (cos, sin) of its angle, float32:
//
//   y0 = fma(x0, c, -(x1 * s))
//   y1 = fma(x1, c, x0 * s)
//
// (the products x1 * s and x0 * s are rounded; this is what one fmaddsub does). Dims from rope_dims
// on are unchanged. The rotated k and the v as given are then rounded to the cache's type
// (kv_element.h).
#pragma once

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

absl::Status CheckRopeStore(const backend::RopeStoreParams& params, backend::Range rows);

// `params.cache` must be a HostKvCache. Mode `reference` uses it as it is.
void OracleRopeStore(const backend::RopeStoreParams& params, backend::Range rows);

}  // namespace llmrt::ops
