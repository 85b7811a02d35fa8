// From a row of logits to a token, as SamplingParams says. A draw is a pure function of
// (parameters, logits, the window of the history, position): nothing else goes in, no state stays
// between calls.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "sampling/log_probs.h"
#include "sampling/logit_processors.h"
#include "sampling/sampling_params.h"
#include "sampling/weights.h"

namespace llmrt::sampling {

struct Draw {
  int32_t token = -1;
  float logprob = 0.0f;           // of `token` in the model's distribution; 0 unless asked for
  std::vector<TokenLogprob> top;  // the top_logprobs most likely, most likely first
};

// Scratch memory for one vocabulary: about 28 bytes a token, all taken by the constructor; Sample
// itself takes none (out->top grows once to top_logprobs entries). One thread at a time.
class Sampler {
 public:
  explicit Sampler(int32_t vocab_size);  // 1 to kMaxVocabSize

  // `logits`: one for each token. `history`: the session's tokens so far, prompt included.
  // `position`: the place in the session of the token being drawn (how many tokens lie before it).
  // On failure *out is left as it was. INVALID_ARGUMENT: parameters or sizes; DATA_LOSS: a logit is
  // NaN or +inf; FAILED_PRECONDITION: no token is possible.
  absl::Status Sample(const SamplingParams& params, absl::Span<const float> logits,
                      const History& history, int64_t position, Draw* out);

  int32_t vocab_size() const { return vocab_size_; }
  // What the constructor takes, for plans.
  static int64_t ScratchBytes(int32_t vocab_size);

 private:
  absl::Status Process(const SamplingParams& params, absl::Span<const float> logits,
                       const History& history);
  absl::StatusOr<int32_t> Choose(const SamplingParams& params, absl::Span<const float> logits,
                                 LargestLogit largest, int64_t position);

  const int32_t vocab_size_;
  TokenCounts counts_;
  std::vector<float> processed_;
  std::vector<Candidate> candidates_;
};

}  // namespace llmrt::sampling
