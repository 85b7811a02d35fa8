#include "sampling/log_probs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "numerics/exact_math_f64.h"
#include "sampling/weights.h"

namespace llmrt::sampling {
namespace {

absl::Status BadLogit(absl::Span<const float> logits) {
  size_t token = 0;
  while (logits[token] < INFINITY) ++token;
  return absl::DataLossError(
      absl::StrCat("logit of token ", token, " is ", std::isnan(logits[token]) ? "NaN" : "+inf",
                   "; logits must be finite or -inf; the model's weights are damaged or overflow "
                   "in this numeric class; check the file or use kv type f32"));
}

constexpr size_t kPartLogits = 1024;

struct PartSummary {
  float largest;  // without NaN
  bool good;      // all are finite or -inf
};

// Lanes side by side, in loops that the compiler makes vectors of.
PartSummary SummaryOf(absl::Span<const float> part) {
  constexpr size_t kLanes = 16;
  float largest[kLanes];
  int32_t bad[kLanes] = {};
  std::fill_n(largest, kLanes, -INFINITY);
  const size_t whole = part.size() / kLanes * kLanes;
  for (size_t token = 0; token < whole; token += kLanes) {
    for (size_t i = 0; i < kLanes; ++i) {
      const float logit = part[token + i];
      largest[i] = logit > largest[i] ? logit : largest[i];
    }
    // NaN is not below infinity either.
    for (size_t i = 0; i < kLanes; ++i) bad[i] |= part[token + i] < INFINITY ? 0 : -1;
  }
  PartSummary summary = {-INFINITY, true};
  for (size_t i = 0; i < kLanes; ++i) {
    summary.largest = std::max(summary.largest, largest[i]);
    summary.good &= bad[i] == 0;
  }
  for (const float logit : part.subspan(whole)) {
    summary.largest = logit > summary.largest ? logit : summary.largest;
    summary.good &= logit < INFINITY;
  }
  return summary;
}

}  // namespace

absl::StatusOr<LargestLogit> FindLargest(absl::Span<const float> logits) {
  LargestLogit best = {-INFINITY, -1};
  bool good = true;
  // A part of which nothing is above the best is not looked at again.
  for (size_t begin = 0; begin < logits.size(); begin += kPartLogits) {
    const absl::Span<const float> part = logits.subspan(begin, kPartLogits);
    const PartSummary summary = SummaryOf(part);
    good &= summary.good;
    if (!(summary.largest > best.logit)) continue;
    const auto at = std::find(part.begin(), part.end(), summary.largest);
    best = {*at, static_cast<int32_t>(begin + (at - part.begin()))};  // a zero with its sign
  }
  if (!good) return BadLogit(logits);
  if (best.token < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("all ", logits.size(),
                     " logits are -inf; at least one token must be possible; loosen "
                     "the token mask or logit_bias"));
  }
  return best;
}

double LogSumWeights(absl::Span<const float> logits, float max) {
  // The largest logit's own weight is 2^40, so the logarithm is of a number >= 1.
  return numerics::LogF64(static_cast<double>(SumWeights(max, logits)) * 0x1p-40);
}

float LogProbOf(absl::Span<const float> logits, int32_t token) {
  const absl::StatusOr<LargestLogit> largest = FindLargest(logits);
  if (!largest.ok() || token < 0 || static_cast<size_t>(token) >= logits.size()) return NAN;
  return LogprobFrom(logits[static_cast<size_t>(token)], largest->logit,
                     LogSumWeights(logits, largest->logit));
}

void TopLogprobs(absl::Span<const float> logits, float max, double log_sum, int32_t n,
                 std::vector<TokenLogprob>* out) {
  // Insertion into a list of at most 20; nearly every token fails the first comparison. Equal
  // logits come in order of ids, so a later one goes behind.
  out->clear();
  const size_t wanted = std::min(static_cast<size_t>(n), logits.size());
  for (size_t token = 0; token < logits.size() && wanted > 0; ++token) {
    const float logit = logits[token];
    if (out->size() == wanted && !(logit > out->back().logprob)) continue;
    if (out->size() == wanted) out->pop_back();
    const auto at = std::find_if(out->begin(), out->end(),
                                 [logit](const TokenLogprob& o) { return logit > o.logprob; });
    out->insert(at, {static_cast<int32_t>(token), logit});
  }
  for (TokenLogprob& entry : *out) entry.logprob = LogprobFrom(entry.logprob, max, log_sum);
}

}  // namespace llmrt::sampling
