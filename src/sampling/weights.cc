#include "sampling/weights.h"

#include "numerics/exp_weight.h"

namespace llmrt::sampling {
namespace {

// Inlined into a caller for each instruction set, so that its fma becomes an instruction where
// there is one.
[[gnu::always_inline]] inline uint64_t FillLoop(float max, absl::Span<Candidate> candidates) {
  uint64_t sum = 0;
  for (Candidate& candidate : candidates) {
    candidate.weight = numerics::ExpWeight40(candidate.logit - max);
    sum += candidate.weight;
  }
  return sum;
}

[[gnu::always_inline]] inline uint64_t SumLoop(float max, absl::Span<const float> logits) {
  uint64_t sum = 0;
  for (float logit : logits) sum += numerics::ExpWeight40(logit - max);
  return sum;
}

#if defined(__x86_64__) && defined(__GNUC__)

[[gnu::target("avx2,fma"), gnu::flatten]] uint64_t FillFma(float max,
                                                           absl::Span<Candidate> candidates) {
  return FillLoop(max, candidates);
}

[[gnu::target("avx2,fma"), gnu::flatten]] uint64_t SumFma(float max,
                                                          absl::Span<const float> logits) {
  return SumLoop(max, logits);
}

bool HasFma() { return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2"); }

#else

uint64_t FillFma(float max, absl::Span<Candidate> candidates) { return FillLoop(max, candidates); }
uint64_t SumFma(float max, absl::Span<const float> logits) { return SumLoop(max, logits); }
bool HasFma() { return false; }

#endif

}  // namespace

uint64_t FillWeights(float max, absl::Span<Candidate> candidates) {
  return HasFma() ? FillFma(max, candidates) : FillLoop(max, candidates);
}

uint64_t SumWeights(float max, absl::Span<const float> logits) {
  return HasFma() ? SumFma(max, logits) : SumLoop(max, logits);
}

}  // namespace llmrt::sampling
