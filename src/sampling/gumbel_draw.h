// The draw: the token with the largest score logit - log(E), E exponential noise that belongs to
// (seed, position, token, sample index); ties go to the lowest id. That is a draw from
// softmax(logit) over the tokens in the running, and the same token wins whatever order they come
// in (numerics/noise.h).
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "sampling/noise_words.h"
#include "sampling/sampling_params.h"
#include "sampling/weights.h"

namespace llmrt::sampling {

// Among all tokens with logit / temperature > -infinity. `first` is where the search starts (the
// likeliest token: it makes the bound that spares most others their noise); it changes nothing
// about the result.
int32_t DrawFromAll(const NoiseKey& key, absl::Span<const float> logits, float temperature,
                    int32_t first);

// Among candidates (at least one).
int32_t DrawFromCandidates(const NoiseKey& key, absl::Span<const Candidate> candidates);

}  // namespace llmrt::sampling
