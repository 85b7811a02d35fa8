#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "numerics/fp_mode.h"
#include "sampling/filters.h"
#include "sampling/gumbel_draw.h"

namespace llmrt::sampling {

Sampler::Sampler(int32_t vocab_size)
    : vocab_size_(std::clamp(vocab_size, 1, kMaxVocabSize)),
      counts_(vocab_size_),
      processed_(static_cast<size_t>(vocab_size_)),
      candidates_(static_cast<size_t>(vocab_size_)) {}

int64_t Sampler::ScratchBytes(int32_t vocab_size) {
  return int64_t{vocab_size} *
         static_cast<int64_t>(2 * sizeof(int32_t) + sizeof(float) + sizeof(Candidate));
}

absl::Status Sampler::Process(const SamplingParams& params, absl::Span<const float> logits,
                              const History& history) {
  std::copy(logits.begin(), logits.end(), processed_.begin());
  const absl::Span<float> work = absl::MakeSpan(processed_);
  absl::Status status = ApplyPenalties(params, history, &counts_, work);
  if (!status.ok()) return status;
  ApplyBias(params, work);
  ApplyMask(params, work);
  return absl::OkStatus();
}

absl::StatusOr<int32_t> Sampler::Choose(const SamplingParams& params,
                                        absl::Span<const float> logits, LargestLogit largest,
                                        int64_t position) {
  if (params.temperature == 0.0f) return largest.token;
  const float max = largest.logit / params.temperature;
  if (!std::isfinite(max)) {
    return absl::DataLossError(absl::StrCat("largest logit ", largest.logit,
                                            " divided by temperature ", params.temperature,
                                            " is not finite; raise the temperature or use 0"));
  }
  const NoiseKey key = {params.seed, position, params.sample_index};
  if (!HasFilters(params, vocab_size_))
    return DrawFromAll(key, logits, params.temperature, largest.token);
  const int64_t count = SelectCandidates(params, logits, max, absl::MakeSpan(candidates_));
  return DrawFromCandidates(key,
                            absl::MakeConstSpan(candidates_).first(static_cast<size_t>(count)));
}

absl::Status Sampler::Sample(const SamplingParams& params, absl::Span<const float> logits,
                             const History& history, int64_t position, Draw* out) {
  const numerics::ScopedFpMode fp_mode;
  if (absl::Status status = Validate(params, vocab_size_); !status.ok()) return status;
  if (logits.size() != static_cast<size_t>(vocab_size_)) {
    return absl::InvalidArgumentError(absl::StrCat("logits has ", logits.size(),
                                                   " values; the vocabulary has ", vocab_size_,
                                                   " tokens; pass one for each"));
  }
  const absl::StatusOr<LargestLogit> raw = FindLargest(logits);
  if (!raw.ok()) return raw.status();
  absl::StatusOr<LargestLogit> largest = *raw;
  absl::Span<const float> processed = logits;
  if (ChangesLogits(params)) {
    if (absl::Status status = Process(params, logits, history); !status.ok()) return status;
    processed = processed_;
    largest = FindLargest(processed);
    if (!largest.ok()) return largest.status();
  }
  const absl::StatusOr<int32_t> token = Choose(params, processed, *largest, position);
  if (!token.ok()) return token.status();

  out->token = *token;
  out->logprob = 0.0f;
  out->top.clear();
  if (params.logprobs || params.top_logprobs > 0) {
    const double log_sum = LogSumWeights(logits, raw->logit);
    out->logprob = LogprobFrom(logits[static_cast<size_t>(*token)], raw->logit, log_sum);
    out->top.reserve(static_cast<size_t>(params.top_logprobs));
    TopLogprobs(logits, raw->logit, log_sum, params.top_logprobs, &out->top);
  }
  return absl::OkStatus();
}

}  // namespace llmrt::sampling
