// The steps that change logits before temperature: penalties, bias, mask, in this order. Each
// writes in place and touches only the tokens it concerns (the mask: all).
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "sampling/history.h"
#include "sampling/sampling_params.h"

namespace llmrt::sampling {

// Counts tokens without clearing a whole vocabulary each time.
class TokenCounts {
 public:
  explicit TokenCounts(int32_t vocab_size);

  // Counts the tokens of `window`; INVALID_ARGUMENT if one is outside the vocabulary. Replaces what
  // was counted before.
  absl::Status Count(const History& window);
  // The distinct tokens counted, in order of first occurrence.
  absl::Span<const int32_t> tokens() const {
    return absl::MakeConstSpan(tokens_.data(), num_tokens_);
  }
  int32_t count(int32_t token) const { return counts_[static_cast<size_t>(token)]; }

 private:
  absl::Status Add(absl::Span<const int32_t> tokens);

  std::vector<int32_t> counts_;  // by token; zero but for those in tokens_
  std::vector<int32_t> tokens_;  // as long as the vocabulary, the first num_tokens_ in use
  size_t num_tokens_ = 0;
};

// The part of the history that penalties look at: its last `window` tokens, all for -1.
History PenaltyWindow(const History& history, int32_t window);

// The formula beside SamplingParams, for each distinct token of the window.
absl::Status ApplyPenalties(const SamplingParams& params, const History& history,
                            TokenCounts* counts, absl::Span<float> logits);

void ApplyBias(const SamplingParams& params, absl::Span<float> logits);

// Forbidden tokens get -infinity.
void ApplyMask(const SamplingParams& params, absl::Span<float> logits);

}  // namespace llmrt::sampling
