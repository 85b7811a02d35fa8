// What a step takes on this machine with this model, by its rows: where drafts are spent follows
// from it.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "model/forward_pass.h"
#include "speculation/step_cost.h"

namespace llmrt::engine {

// Runs steps of one row, of two, and so on, up to `rows_max`, all with logits, and none for
// anybody: what they write lies in KV blocks that nobody has yet. Some ten steps.
absl::StatusOr<speculation::StepCost> MeasureStepCost(model::ForwardPass& pass, int64_t block_size,
                                                      int64_t kv_blocks, int64_t rows_max);

}  // namespace llmrt::engine
