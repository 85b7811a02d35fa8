#include "sampling/logit_processors.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace llmrt::sampling {

TokenCounts::TokenCounts(int32_t vocab_size)
    : counts_(static_cast<size_t>(vocab_size)), tokens_(static_cast<size_t>(vocab_size)) {}

absl::Status TokenCounts::Count(const History& window) {
  for (size_t i = 0; i < num_tokens_; ++i) counts_[static_cast<size_t>(tokens_[i])] = 0;
  num_tokens_ = 0;
  absl::Status status = Add(window.said);
  if (status.ok()) status = Add(window.drafted);
  return status;
}

absl::Status TokenCounts::Add(absl::Span<const int32_t> tokens) {
  for (int32_t token : tokens) {
    if (token < 0 || static_cast<size_t>(token) >= counts_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("history holds token ", token,
                                                     "; the vocabulary has ", counts_.size(),
                                                     " tokens; pass tokens of this model"));
    }
    if (counts_[static_cast<size_t>(token)]++ == 0) tokens_[num_tokens_++] = token;
  }
  return absl::OkStatus();
}

History PenaltyWindow(const History& history, int32_t window) {
  if (window < 0 || static_cast<size_t>(window) >= history.size()) return history;
  const auto size = static_cast<size_t>(window);
  const size_t drafted = std::min(size, history.drafted.size());
  return {history.said.last(size - drafted), history.drafted.last(drafted)};
}

absl::Status ApplyPenalties(const SamplingParams& params, const History& history,
                            TokenCounts* counts, absl::Span<float> logits) {
  const float repetition = params.repetition_penalty;
  if (repetition == 1.0f && params.presence_penalty == 0.0f && params.frequency_penalty == 0.0f) {
    return absl::OkStatus();
  }
  absl::Status status = counts->Count(PenaltyWindow(history, params.penalty_window));
  if (!status.ok()) return status;
  for (int32_t token : counts->tokens()) {
    float& logit = logits[static_cast<size_t>(token)];
    logit = logit > 0.0f ? logit / repetition : logit * repetition;
    logit -= static_cast<float>(counts->count(token)) * params.frequency_penalty +
             params.presence_penalty;
  }
  return absl::OkStatus();
}

void ApplyBias(const SamplingParams& params, absl::Span<float> logits) {
  for (const auto& [token, bias] : params.logit_bias) logits[static_cast<size_t>(token)] += bias;
}

void ApplyMask(const SamplingParams& params, absl::Span<float> logits) {
  if (params.token_mask.empty()) return;
  for (size_t token = 0; token < logits.size(); ++token) {
    const uint32_t word = static_cast<uint32_t>(params.token_mask[token / 32]);
    if ((word >> (token % 32) & 1u) == 0) logits[token] = -INFINITY;
  }
}

}  // namespace llmrt::sampling
