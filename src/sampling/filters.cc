#include "sampling/filters.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "numerics/exp_weight.h"
#include "numerics/host_device.h"

namespace llmrt::sampling {
namespace {

// Logits farther below the maximum have weight 0: 40 ln 2 = 27.7259.
constexpr float kWeightlessBelow = -27.73f;

// The least integer that is >= p * total, for 0 < p < 1.
uint64_t CeilOfShare(float p, uint64_t total) {
  const uint32_t bits = numerics::FloatBits(p);
  const int exponent = static_cast<int>(bits >> 23);
  if (exponent == 0) return total != 0;  // subnormal: p * total < 2^-126 * 2^64 < 1
  // p = mantissa * 2^-shift with a mantissa of 24 bits; the product has at most 88 bits.
  const int shift = 150 - exponent;
  __extension__ typedef unsigned __int128 Wide;
  const Wide product = static_cast<Wide>((bits & 0x7fffffu) | 0x800000u) * total;
  if (shift >= 120) return product != 0;
  return static_cast<uint64_t>((product + ((static_cast<Wide>(1) << shift) - 1)) >> shift);
}

// Steps of 1/8 in the logit, the last one open.
constexpr int kSteps = 256;

// Never decreases as the logit falls, and equal logits share a step.
int StepOf(float top, float logit) {
  const float steps = (top - logit) * 8.0f;
  return steps < static_cast<float>(kSteps - 1) ? static_cast<int>(steps) : kSteps - 1;
}

// How many of `candidates`, in the order of MoreLikely, it takes for `taken` to reach `wanted` (at
// least one if `need_one`). They move to the front. Each round puts the likelier eighth of what is
// undecided first.
int64_t CutByOrder(uint64_t wanted, uint64_t taken, bool need_one,
                   absl::Span<Candidate> candidates) {
  int64_t low = 0, high = static_cast<int64_t>(candidates.size());
  while (high - low > 32) {
    const int64_t middle = low + (high - low) / 8;
    std::nth_element(candidates.begin() + low, candidates.begin() + middle,
                     candidates.begin() + high, MoreLikely);
    uint64_t sum = taken;
    for (int64_t i = low; i < middle; ++i) sum += candidates[static_cast<size_t>(i)].weight;
    if (sum >= wanted) {
      high = middle;
    } else {
      low = middle;
      taken = sum;
    }
  }
  std::sort(candidates.begin() + low, candidates.begin() + high, MoreLikely);
  int64_t count = low;
  while (count < high && (taken < wanted || (need_one && count == 0))) {
    taken += candidates[static_cast<size_t>(count++)].weight;
  }
  return count;
}

bool TopPActive(const SamplingParams& params) { return params.top_p < 1.0f; }
bool MinPActive(const SamplingParams& params) { return params.min_p > 0.0f; }

}  // namespace

bool HasFilters(const SamplingParams& params, int32_t vocab_size) {
  return (params.top_k > 0 && params.top_k < vocab_size) || TopPActive(params) ||
         MinPActive(params);
}

int64_t SelectTopK(absl::Span<const float> logits, float temperature, int32_t k,
                   absl::Span<Candidate> out) {
  // Candidates gather in a buffer of a few k; when it is full, a partial sort keeps the best k and
  // the k-th of them becomes the bar. Most of a large vocabulary then costs one comparison a token.
  const size_t keep = static_cast<size_t>(k);
  const size_t capacity = std::min(out.size(), std::max<size_t>(4 * keep, 1024));
  size_t count = 0;
  float bar =
      -INFINITY;  // later tokens of equal logit have higher ids: they lose, so the bar is strict
  for (size_t token = 0; token < logits.size(); ++token) {
    const float logit = logits[token] / temperature;
    if (!(logit > bar)) continue;
    if (count == capacity) {
      std::nth_element(out.begin(), out.begin() + (k - 1),
                       out.begin() + static_cast<int64_t>(count), MoreLikely);
      count = keep;
      bar = out[keep - 1].logit;
      if (!(logit > bar)) continue;
    }
    out[count++] = {logit, static_cast<int32_t>(token), 0};
  }
  if (count > keep) {
    std::nth_element(out.begin(), out.begin() + (k - 1), out.begin() + static_cast<int64_t>(count),
                     MoreLikely);
    count = keep;
  }
  return static_cast<int64_t>(count);
}

int64_t SelectWeighty(absl::Span<const float> logits, float temperature, float max,
                      absl::Span<Candidate> out) {
  size_t count = 0;
  for (size_t token = 0; token < logits.size(); ++token) {
    const float logit = logits[token] / temperature;
    if (logit - max < kWeightlessBelow) continue;
    out[count++] = {logit, static_cast<int32_t>(token), 0};
  }
  return static_cast<int64_t>(count);
}

int64_t KeepTopP(float p, uint64_t total, absl::Span<Candidate> candidates) {
  if (candidates.empty()) return 0;
  const uint64_t wanted = p <= 0.0f ? 0 : p >= 1.0f ? total : CeilOfShare(p, total);
  // A histogram over the distance to the largest logit finds the step in which the cut lies: one
  // pass, no sort.
  float top = candidates[0].logit;
  for (const Candidate& candidate : candidates) top = std::max(top, candidate.logit);
  uint64_t sums[kSteps] = {};
  for (const Candidate& candidate : candidates)
    sums[StepOf(top, candidate.logit)] += candidate.weight;
  int step = 0;
  uint64_t taken = 0;  // the weight of the steps before
  while (step < kSteps - 1 && taken + sums[step] < wanted) taken += sums[step++];
  // Those steps to the front, then the step of the cut: only it needs an order.
  const auto before = [&](const Candidate& c) { return StepOf(top, c.logit) < step; };
  const auto upto = [&](const Candidate& c) { return StepOf(top, c.logit) <= step; };
  const auto end = std::partition(candidates.begin(), candidates.end(), upto);
  const auto begin = std::partition(candidates.begin(), end, before);
  const absl::Span<Candidate> cut = candidates.subspan(
      static_cast<size_t>(begin - candidates.begin()), static_cast<size_t>(end - begin));
  return begin - candidates.begin() + CutByOrder(wanted, taken, begin == candidates.begin(), cut);
}

int64_t KeepMinP(float min_p, absl::Span<Candidate> candidates) {
  // min_p * 2^40 is exact in a double (24 bits), so comparing integers with its ceiling is exact.
  const double share = static_cast<double>(min_p) * static_cast<double>(numerics::kExpWeightOne);
  uint64_t wanted = static_cast<uint64_t>(share);
  if (static_cast<double>(wanted) < share) ++wanted;
  const auto end =
      std::partition(candidates.begin(), candidates.end(),
                     [wanted](const Candidate& candidate) { return candidate.weight >= wanted; });
  return end - candidates.begin();
}

int64_t SelectCandidates(const SamplingParams& params, absl::Span<const float> logits, float max,
                         absl::Span<Candidate> scratch) {
  const bool top_k = params.top_k > 0 && static_cast<size_t>(params.top_k) < logits.size();
  int64_t count = top_k ? SelectTopK(logits, params.temperature, params.top_k, scratch)
                        : SelectWeighty(logits, params.temperature, max, scratch);
  if (!TopPActive(params) && !MinPActive(params)) return count;
  const uint64_t total = FillWeights(max, scratch.first(static_cast<size_t>(count)));
  if (TopPActive(params))
    count = KeepTopP(params.top_p, total, scratch.first(static_cast<size_t>(count)));
  if (MinPActive(params)) count = KeepMinP(params.min_p, scratch.first(static_cast<size_t>(count)));
  return count;
}

}  // namespace llmrt::sampling
