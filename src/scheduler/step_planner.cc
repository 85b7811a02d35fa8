#include "scheduler/step_planner.h"

#include <algorithm>

namespace llmrt::scheduler {
namespace {

// Tokens of `candidate` that the rest of the budget holds. A run that reaches its end needs a row
// of logits to draw from; one cut short needs none.
int64_t TokensThatFit(const Candidate& candidate, const StepBudget& left) {
  int64_t count = std::min(candidate.pending, left.rows);
  if (candidate.all_logits) return std::min(count, left.logit_rows);
  if (count == candidate.pending && left.logit_rows == 0) --count;
  return count;
}

}  // namespace

void PlanStep(absl::Span<const Candidate> candidates, const StepBudget& budget,
              std::vector<Assignment>& out) {
  out.clear();
  StepBudget left = budget;
  for (const bool decoding : {true, false}) {
    for (size_t i = 0; i < candidates.size() && left.rows > 0; ++i) {
      const Candidate& candidate = candidates[i];
      if ((candidate.pending == 1) != decoding) continue;
      const int64_t count = TokensThatFit(candidate, left);
      if (count < 1) continue;
      out.push_back({static_cast<int32_t>(i), count});
      left.rows -= count;
      if (candidate.all_logits) {
        left.logit_rows -= count;
      } else if (count == candidate.pending) {
        --left.logit_rows;
      }
    }
  }
}

}  // namespace llmrt::scheduler
