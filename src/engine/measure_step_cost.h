// What a step takes on this machine with this model, by its rows: where drafts are spent follows
// from it.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "model/forward_pass.h"
#include "speculation/step_cost.h"

namespace llmrt::engine {

struct MeasuredSteps {
  int64_t rows_max = 0;
  int64_t block_size = 0;      // tokens
  int64_t kv_blocks = 0;       // what there is to write to,
  int64_t context_length = 0;  // and as many positions
};

// Runs steps of one row, of two, and so on, all with logits, and none for anybody: what they write
// lies in KV blocks that nobody has yet. Some ten steps. CANCELLED once `stop` says so, which is
// asked a thousand times a second.
absl::StatusOr<speculation::StepCost> MeasureStepCost(model::ForwardPass& pass,
                                                      const MeasuredSteps& steps,
                                                      absl::FunctionRef<bool()> stop);

}  // namespace llmrt::engine
