// Who runs in this step. Pure logic over numbers: candidates in, assignments out; no clocks, no
// memory, no models, so that it can be tested by the million.
//
// Sequences that wait for one token (decode) go first, in order; what is left of the step's rows
// goes to longer runs (prefill), in order, cut where the step is full. So a long prompt takes as
// many steps as it needs and never holds up the others.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace llmrt::scheduler {

struct Candidate {
  int64_t pending = 0;      // tokens whose KV is not written yet, at least 1
  bool all_logits = false;  // wants logits of every row, not only of the last
};

struct StepBudget {
  int64_t rows = 0;
  int64_t logit_rows = 0;
};

struct Assignment {
  int32_t candidate = 0;   // index
  int64_t num_tokens = 0;  // of its pending tokens, the first so many
};

// Fills `out` with what fits, in the order it will run. Each candidate appears at most once. With a
// budget of at least one row and one logit row and at least one candidate, at least one is
// assigned.
void PlanStep(absl::Span<const Candidate> candidates, const StepBudget& budget,
              std::vector<Assignment>& out);

}  // namespace llmrt::scheduler
