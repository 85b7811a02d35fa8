#include "speculation/draft_policy.h"

#include <algorithm>

namespace llmrt::speculation {
namespace {

// Drafts must promise this much more than no drafts: costs and chances are estimates.
constexpr double kGainMin = 1.05;

// Of the time of all steps, what trials may take; and the most that is saved up, in steps.
constexpr double kTrialShare = 0.005;
constexpr double kTrialStepsMax = 1;

void SetLength(DraftCandidate& candidate, int64_t length) {
  candidate.length = length;
  const bool more = length < std::min(candidate.length_max, kDraftMax);
  candidate.next = more ? candidate.acceptance->Survival(length + 1) : -1;
}

// The stream whose draft is likeliest to survive one token further; null where none may.
DraftCandidate* Likeliest(absl::Span<DraftCandidate> candidates) {
  DraftCandidate* best = nullptr;
  for (DraftCandidate& candidate : candidates) {
    if (candidate.next < 0) continue;
    if (best == nullptr || candidate.next > best->next) best = &candidate;
  }
  return best;
}

}  // namespace

double DraftPolicy::Value(const PlainStep& step, const Acceptance& acceptance, double us_a_token,
                          int64_t length_max) const {
  double best = 0, tokens = static_cast<double>(step.tokens);
  for (int64_t length = 1; length <= std::min(length_max, kDraftMax); ++length) {
    tokens += acceptance.Survival(length);
    const double us = cost_.Us(step.rows + length) + us_a_token * static_cast<double>(length);
    best = std::max(best, tokens / us);
  }
  return best;
}

int64_t DraftPolicy::Plan(const PlainStep& step, absl::Span<DraftCandidate> candidates) {
  const double plain_us = cost_.Us(step.rows);
  trial_us_ = std::min(trial_us_ + kTrialShare * plain_us, kTrialStepsMax * plain_us);
  const auto plain_tokens = static_cast<double>(step.tokens);
  const double rate_min = kGainMin * plain_tokens / plain_us;
  double best_rate = rate_min;
  int64_t best_rows = 0;
  bool could_pay = false;  // if every draft were right
  // The order in which rows are given does not depend on how many there are, so it is walked twice:
  // to find the best number, and to give so many.
  for (const bool give : {false, true}) {
    const int64_t rows_max = give ? best_rows : step.draft_rows_max;
    for (DraftCandidate& candidate : candidates) SetLength(candidate, 0);
    double tokens = plain_tokens, draft_us = 0;
    for (int64_t rows = 1; rows <= rows_max; ++rows) {
      DraftCandidate* const next = Likeliest(candidates);
      if (next == nullptr) break;
      tokens += next->next;
      draft_us += next->us_a_token;
      SetLength(*next, next->length + 1);
      const double us = cost_.Us(step.rows + rows);
      could_pay = could_pay || plain_tokens + static_cast<double>(rows) > rate_min * us;
      const double rate = tokens / (us + draft_us);
      if (!give && rate > best_rate) {
        best_rate = rate;
        best_rows = rows;
      }
    }
  }
  return best_rows + (could_pay ? PlanTrial(step, best_rows, candidates) : 0);
}

int64_t DraftPolicy::PlanTrial(const PlainStep& step, int64_t draft_rows,
                               absl::Span<DraftCandidate> candidates) {
  if (draft_rows >= step.draft_rows_max) return 0;
  const int64_t rows = step.rows + draft_rows;
  for (size_t i = 0; i < candidates.size(); ++i) {
    // By turns, so that each stream has its trial.
    const size_t index = (next_trial_ + i) % candidates.size();
    DraftCandidate& candidate = candidates[index];
    if (candidate.length > 0 || candidate.length_max < 1) continue;
    const double us = cost_.Us(rows + 1) - cost_.Us(rows) + candidate.us_a_token;
    // What costs more than is ever saved up is not tried; what costs less is waited for.
    if (us > kTrialStepsMax * cost_.Us(step.rows)) continue;
    if (us > trial_us_) return 0;
    trial_us_ -= us;
    next_trial_ = index + 1;
    candidate.length = 1;
    return 1;
  }
  return 0;
}

}  // namespace llmrt::speculation
