// How many tokens each stream has drafted in a step: as many as give most expected tokens a
// millisecond, all streams together, and none where that is no more than without.
//
// A drafted token costs a row of the step and what the drafter takes; it gives a token if it and
// all before it are right. The next best one goes to the stream whose draft is likeliest to survive
// one token further. Costs have steps, so the best number of rows need not be where the gain first
// falls: all are looked at.
//
// What is not tried is not learned. A stream without drafts gets one for a trial now and then, as
// long as trials take no more than a small share of the time, and unless drafts would not even pay
// if all of them were right.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "speculation/acceptance.h"
#include "speculation/step_cost.h"

namespace llmrt::speculation {

// One stream that waits for its next token.
struct DraftCandidate {
  const Acceptance* acceptance = nullptr;
  double us_a_token = 0;   // of the drafter
  int64_t length_max = 0;  // tokens that may be drafted
  int64_t length = 0;      // out: those that are worth it
  double next = 0;         // the policy's own: the chance that one more is right, and all before it
};

// The step without drafts.
struct PlainStep {
  int64_t rows = 0;
  int64_t tokens = 0;          // that it will give or take in: one for each row, as a rule
  int64_t draft_rows_max = 0;  // rows left for drafts
};

class DraftPolicy {
 public:
  explicit DraftPolicy(const StepCost& cost) : cost_(cost) {}

  // What drafts of at most `length_max` tokens with such chances and such a price would be worth to
  // a stream of its own: tokens a microsecond, of the best length.
  double Value(const PlainStep& step, const Acceptance& acceptance, double us_a_token,
               int64_t length_max) const;

  // Sets every candidate's length. Returns the sum of them.
  int64_t Plan(const PlainStep& step, absl::Span<DraftCandidate> candidates);

 private:
  // One token for a stream that has none, if the time for trials allows it; returns how many.
  int64_t PlanTrial(const PlainStep& step, int64_t draft_rows,
                    absl::Span<DraftCandidate> candidates);

  const StepCost& cost_;
  double trial_us_ = 0;  // that trials may take
  size_t next_trial_ = 0;
};

}  // namespace llmrt::speculation
