// Integer weights floor(2^40 e^(l - max)) for many logits at once (numerics/exp_weight.h has the
// function). Being integers, their sums do not depend on the order. Where the processor has FMA the
// same code is compiled for it: an fma is exact in libm too, so the weights are the same.
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace llmrt::sampling {

// A token in the running for a draw. `logit` is after penalties, bias, mask and temperature.
struct Candidate {
  float logit;
  int32_t token;
  uint64_t weight;
};

// The order of probability: larger logit first, ties to the lower id. Total, so every selection by
// it is unique.
inline bool MoreLikely(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// Sets each candidate's weight relative to `max`, returns the sum.
uint64_t FillWeights(float max, absl::Span<Candidate> candidates);

// The sum of the weights of all logits.
uint64_t SumWeights(float max, absl::Span<const float> logits);

}  // namespace llmrt::sampling
