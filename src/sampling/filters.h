// Top-k, top-p and min-p: which tokens stay in the running. All choices are made on logits (after
// temperature) and integer weights, so they depend neither on the order of the candidates nor on
// how sums are split.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "sampling/sampling_params.h"
#include "sampling/weights.h"

namespace llmrt::sampling {

// Whether any filter can drop a token of a vocabulary of this size.
bool HasFilters(const SamplingParams& params, int32_t vocab_size);

// The k most likely of `logits` / temperature in the order of MoreLikely, -infinity left out;
// returns how many were written to `out` (in no particular order; weights unset). `out` has room
// for every logit: the space beyond k is used.
int64_t SelectTopK(absl::Span<const float> logits, float temperature, int32_t k,
                   absl::Span<Candidate> out);

// Every token whose weight against `max` is not zero; the same contract.
int64_t SelectWeighty(absl::Span<const float> logits, float temperature, float max,
                      absl::Span<Candidate> out);

// The smallest number of candidates, taken in the order of MoreLikely, whose weights sum to at
// least p * total, where total is the sum over `candidates`; at least one. p * total is not
// rounded: p is a float, an integer times a power of two, so the comparison is done in 128-bit
// integers. Moves those candidates to the front and returns their number.
int64_t KeepTopP(float p, uint64_t total, absl::Span<Candidate> candidates);

// The candidates whose weight is at least min_p * 2^40 (exactly compared), 2^40 being the weight of
// the largest logit. Moves them to the front and returns their number.
int64_t KeepMinP(float min_p, absl::Span<Candidate> candidates);

// Top-k, top-p, min-p as asked for; returns how many candidates lead `scratch`, which has room for
// every logit. `max` is the largest of logits / temperature. Needs HasFilters.
int64_t SelectCandidates(const SamplingParams& params, absl::Span<const float> logits, float max,
                         absl::Span<Candidate> scratch);

}  // namespace llmrt::sampling
