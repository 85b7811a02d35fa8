// What a caller may ask of a draw, and the check of it. The order in which the parts act is fixed
// (NUMERICS K): repetition, presence and frequency penalties, bias, mask, temperature, top-k,
// top-p, min-p, draw.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace llmrt::sampling {

inline constexpr int32_t kMaxTopLogprobs = 20;
// Sums of 2^23 weights of at most 2^40 fit 63 bits.
inline constexpr int32_t kMaxVocabSize = 1 << 23;

struct SamplingParams {
  float temperature =
      0.0f;  // logits are divided by it; 0: greedy (argmax, ties to the lowest id, no filters)
  int32_t top_k = 0;  // keep the k largest; 0: off
  float top_p =
      1.0f;  // keep the smallest set of the most likely with this share of probability; 1: off
  float min_p = 0.0f;  // keep tokens at least this likely relative to the likeliest; 0: off

  // A token that occurs c > 0 times in the window: logit / repetition if positive, else logit *
  // repetition; then minus (c * frequency + presence).
  float repetition_penalty = 1.0f;
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  int32_t penalty_window =
      64;  // the session's last so many tokens, prompt included; -1: all, 0: none

  // Added to logits, in the order listed. -infinity forbids a token.
  std::vector<std::pair<int32_t, float>> logit_bias;
  // Bit t % 32 of word t / 32 allows token t; empty: all are allowed. Borrowed: must outlive the
  // draw.
  absl::Span<const int32_t> token_mask;

  uint64_t seed = 0;
  int32_t sample_index = 0;  // tells apart several samples of one prompt with one seed

  bool logprobs = false;  // report the drawn token's log-probability
  int32_t top_logprobs =
      0;  // and those of so many most likely tokens, 0 to 20 (implies the former)
};

// OK, or INVALID_ARGUMENT naming value, limit and remedy. Needs no memory when the answer is OK.
absl::Status Validate(const SamplingParams& params, int32_t vocab_size);

// Whether any penalty, bias or mask can change a logit.
bool ChangesLogits(const SamplingParams& params);

// Whether a draw is the largest logit, or the largest of logit / temperature plus noise, and
// nothing else is asked for: what devices do themselves. False where the params are not valid.
bool DrawsPlainly(const SamplingParams& params, int32_t vocab_size);

}  // namespace llmrt::sampling
