#include "sampling/sampling_params.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sampling/filters.h"

namespace llmrt::sampling {
namespace {

// Bounds that keep every intermediate value of sensible logits finite.
constexpr float kMinTemperature = 1e-6f;
constexpr float kMaxTemperature = 1e6f;
constexpr float kMinRepetition = 0.01f;
constexpr float kMaxRepetition = 100.0f;
constexpr float kMaxAdditivePenalty = 1000.0f;
constexpr float kMaxBias = 1e6f;

// NaN fails: the comparison is written so that it must hold.
bool Within(float value, float low, float high) { return value >= low && value <= high; }

absl::Status OutOfRange(absl::string_view name, float value, float low, float high,
                        absl::string_view off) {
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, "; it must be ", low, " to ",
                                                 high, "; ", off, " turns it off"));
}

absl::Status ValidatePenalties(const SamplingParams& params) {
  if (!Within(params.repetition_penalty, kMinRepetition, kMaxRepetition)) {
    return OutOfRange("repetition_penalty", params.repetition_penalty, kMinRepetition,
                      kMaxRepetition, "1");
  }
  if (!Within(params.presence_penalty, -kMaxAdditivePenalty, kMaxAdditivePenalty)) {
    return OutOfRange("presence_penalty", params.presence_penalty, -kMaxAdditivePenalty,
                      kMaxAdditivePenalty, "0");
  }
  if (!Within(params.frequency_penalty, -kMaxAdditivePenalty, kMaxAdditivePenalty)) {
    return OutOfRange("frequency_penalty", params.frequency_penalty, -kMaxAdditivePenalty,
                      kMaxAdditivePenalty, "0");
  }
  if (params.penalty_window < -1) {
    return absl::InvalidArgumentError(
        absl::StrCat("penalty_window is ", params.penalty_window,
                     "; it must be -1 (all tokens), 0 (none) or a number of tokens"));
  }
  return absl::OkStatus();
}

absl::Status ValidateBias(const SamplingParams& params, int32_t vocab_size) {
  for (size_t i = 0; i < params.logit_bias.size(); ++i) {
    const auto& [token, bias] = params.logit_bias[i];
    if (token < 0 || token >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("logit_bias names token ", token,
                                                     "; the vocabulary has ", vocab_size,
                                                     " tokens; drop the entry"));
    }
    if (!Within(bias, -kMaxBias, kMaxBias) && bias != -INFINITY) {
      return absl::InvalidArgumentError(absl::StrCat("logit_bias of token ", token, " is ", bias,
                                                     "; it must be ", -kMaxBias, " to ", kMaxBias,
                                                     ", or -inf to forbid the token"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateMask(const SamplingParams& params, int32_t vocab_size) {
  const size_t words = (static_cast<size_t>(vocab_size) + 31) / 32;
  if (params.token_mask.empty() || params.token_mask.size() == words) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("token_mask has ", params.token_mask.size(),
                                                 " words; a vocabulary of ", vocab_size,
                                                 " tokens needs ", words, " of 32 bits"));
}

}  // namespace

absl::Status Validate(const SamplingParams& params, int32_t vocab_size) {
  if (vocab_size < 1 || vocab_size > kMaxVocabSize) {
    return absl::InvalidArgumentError(absl::StrCat("vocabulary is ", vocab_size,
                                                   " tokens; sampling supports 1 to ",
                                                   kMaxVocabSize, "; use another model"));
  }
  if (params.temperature != 0.0f && !Within(params.temperature, kMinTemperature, kMaxTemperature)) {
    return OutOfRange("temperature", params.temperature, kMinTemperature, kMaxTemperature,
                      "0 (greedy)");
  }
  if (params.top_k < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("top_k is ", params.top_k, "; it must be 0 (off) or more"));
  }
  if (!Within(params.top_p, 0.0f, 1.0f)) return OutOfRange("top_p", params.top_p, 0.0f, 1.0f, "1");
  if (!Within(params.min_p, 0.0f, 1.0f)) return OutOfRange("min_p", params.min_p, 0.0f, 1.0f, "0");
  if (params.top_logprobs < 0 || params.top_logprobs > kMaxTopLogprobs) {
    return absl::InvalidArgumentError(absl::StrCat("top_logprobs is ", params.top_logprobs,
                                                   "; it must be 0 to ", kMaxTopLogprobs));
  }
  if (absl::Status status = ValidatePenalties(params); !status.ok()) return status;
  if (absl::Status status = ValidateBias(params, vocab_size); !status.ok()) return status;
  return ValidateMask(params, vocab_size);
}

bool ChangesLogits(const SamplingParams& params) {
  const bool penalties = params.penalty_window != 0 &&
                         (params.repetition_penalty != 1.0f || params.presence_penalty != 0.0f ||
                          params.frequency_penalty != 0.0f);
  return penalties || !params.logit_bias.empty() || !params.token_mask.empty();
}

bool DrawsPlainly(const SamplingParams& params, int32_t vocab_size) {
  const bool filters = params.temperature > 0 && HasFilters(params, vocab_size);
  return !filters && !ChangesLogits(params) && !params.logprobs && params.top_logprobs == 0 &&
         Validate(params, vocab_size).ok();
}

}  // namespace llmrt::sampling
