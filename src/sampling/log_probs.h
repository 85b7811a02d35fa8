// Log-probabilities of the model's own distribution: softmax of the raw logits, before penalties,
// bias, mask, temperature and filters. The sum of exponentials is a sum of integer weights, so it
// has no order: any split over threads or devices gives the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace llmrt::sampling {

struct TokenLogprob {
  int32_t token;
  float logprob;
};

// The largest logit and its lowest token.
struct LargestLogit {
  float logit;
  int32_t token;
};

// DATA_LOSS if a logit is NaN or +infinity, FAILED_PRECONDITION if all are -infinity (no token can
// be drawn).
absl::StatusOr<LargestLogit> FindLargest(absl::Span<const float> logits);

// log(sum of e^(logit - max)) >= 0, `max` being the largest logit. Each weight is cut to a multiple
// of 2^-40, which makes the sum too small by less than n 2^-40: for 128 thousand tokens
// under 1.2e-7.
double LogSumWeights(absl::Span<const float> logits, float max);

// log softmax(logits)[token]; -infinity where the logit is. Any logit NaN or +infinity, or all
// -infinity: NaN.
float LogProbOf(absl::Span<const float> logits, int32_t token);

// The n most likely tokens in order (logit descending, id ascending) into *out; log_sum from
// LogSumWeights.
void TopLogprobs(absl::Span<const float> logits, float max, double log_sum, int32_t n,
                 std::vector<TokenLogprob>* out);

// (logit - max) - log_sum, in double, rounded once.
inline float LogprobFrom(float logit, float max, double log_sum) {
  return static_cast<float>(static_cast<double>(logit) - static_cast<double>(max) - log_sum);
}

}  // namespace llmrt::sampling
