// The slow, obvious version of a draw: every step over every token, complete sorts, no bounds, no
// early ends. It shares only the two primitives with the library, the integer weight and the score
// of a token, which have their own tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "numerics/exp_weight.h"
#include "numerics/noise.h"
#include "sampling/sampling_params.h"

namespace llmrt::sampling {

struct OracleToken {
  int32_t id;
  float logit;
  uint64_t weight;
};

inline std::vector<float> OracleProcess(const SamplingParams& p, std::vector<float> logits,
                                        const std::vector<int32_t>& history) {
  std::map<int32_t, int> counts;
  for (size_t i = 0; i < history.size(); ++i) {
    const bool inside =
        p.penalty_window < 0 || history.size() - i <= static_cast<size_t>(p.penalty_window);
    if (inside) ++counts[history[i]];
  }
  for (const auto& [token, count] : counts) {
    float& l = logits[static_cast<size_t>(token)];
    if (l > 0) {
      l = l / p.repetition_penalty;
    } else {
      l = l * p.repetition_penalty;
    }
    const float frequency = static_cast<float>(count) * p.frequency_penalty;
    const float both = frequency + p.presence_penalty;
    l = l - both;
  }
  for (const auto& [token, bias] : p.logit_bias) logits[static_cast<size_t>(token)] += bias;
  for (size_t t = 0; t < logits.size() && !p.token_mask.empty(); ++t) {
    if ((p.token_mask[t / 32] & static_cast<int32_t>(1u << (t % 32))) == 0) logits[t] = -INFINITY;
  }
  return logits;
}

// The tokens that survive all filters, most likely first.
inline std::vector<OracleToken> OracleSurvivors(const SamplingParams& p,
                                                const std::vector<float>& processed) {
  std::vector<OracleToken> tokens;
  for (size_t t = 0; t < processed.size(); ++t) {
    const float l = processed[t] / p.temperature;
    if (l > -INFINITY) tokens.push_back({static_cast<int32_t>(t), l, 0});
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const OracleToken& a, const OracleToken& b) { return a.logit > b.logit; });
  if (p.top_k > 0 && tokens.size() > static_cast<size_t>(p.top_k))
    tokens.resize(static_cast<size_t>(p.top_k));
  long double total = 0;
  for (OracleToken& t : tokens) {
    t.weight = numerics::ExpWeight40(t.logit - tokens[0].logit);
    total += static_cast<long double>(t.weight);
  }
  if (p.top_p < 1.0f) {
    // Sums below 2^64 and their product with a 24-bit float: the sum is exact in long double, and
    // the product's rounding (2^-64 relative) can matter only on an exact tie, which the filter's
    // own test covers.
    const long double wanted = static_cast<long double>(p.top_p) * total;
    long double sum = 0;
    size_t keep = 0;
    while (keep < tokens.size() && (keep == 0 || sum < wanted))
      sum += static_cast<long double>(tokens[keep++].weight);
    tokens.resize(keep);
  }
  if (p.min_p > 0.0f) {
    const double wanted = static_cast<double>(p.min_p) * 0x1p40;
    std::erase_if(
        tokens, [wanted](const OracleToken& t) { return static_cast<double>(t.weight) < wanted; });
  }
  return tokens;
}

inline int32_t OracleDraw(const SamplingParams& p, const std::vector<float>& logits,
                          const std::vector<int32_t>& history, int64_t position) {
  const std::vector<float> processed = OracleProcess(p, logits, history);
  if (p.temperature == 0.0f) {
    return static_cast<int32_t>(std::max_element(processed.begin(), processed.end()) -
                                processed.begin());
  }
  int32_t best = -1;
  float best_score = 0;
  for (const OracleToken& t : OracleSurvivors(p, processed)) {
    const float score = numerics::GumbelScore(t.logit, p.seed, position, t.id, p.sample_index);
    if (best < 0 || score > best_score || (score == best_score && t.id < best)) {
      best = t.id;
      best_score = score;
    }
  }
  return best;
}

}  // namespace llmrt::sampling
