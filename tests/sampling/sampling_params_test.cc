#include "sampling/sampling_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace llmrt::sampling {
namespace {

using testing::HasSubstr;

TEST(SamplingParamsTest, DefaultsAreGreedyAndValid) {
  EXPECT_TRUE(Validate(SamplingParams(), 1).ok());
  EXPECT_TRUE(Validate(SamplingParams(), kMaxVocabSize).ok());
  EXPECT_FALSE(ChangesLogits(SamplingParams()));
}

struct BadCase {
  std::function<void(SamplingParams*)> change;
  std::string names;  // the message must hold it
};

TEST(SamplingParamsTest, EveryBadValueIsNamedWithItsLimitOnOneLine) {
  const std::vector<int32_t> short_mask(2);
  const std::vector<BadCase> cases = {
      {[](auto* p) { p->temperature = -1.0f; }, "temperature is -1; it must be 1e-06 to 1e+06"},
      {[](auto* p) { p->temperature = 1e-7f; }, "temperature is 1e-07"},
      {[](auto* p) { p->temperature = 2e6f; }, "temperature is 2e+06"},
      {[](auto* p) { p->temperature = NAN; }, "temperature is nan"},
      {[](auto* p) { p->temperature = INFINITY; }, "temperature is inf"},
      {[](auto* p) { p->top_k = -1; }, "top_k is -1"},
      {[](auto* p) { p->top_p = 1.5f; }, "top_p is 1.5; it must be 0 to 1"},
      {[](auto* p) { p->top_p = -0.1f; }, "top_p"},
      {[](auto* p) { p->top_p = NAN; }, "top_p is nan"},
      {[](auto* p) { p->min_p = 2.0f; }, "min_p is 2"},
      {[](auto* p) { p->min_p = NAN; }, "min_p is nan"},
      {[](auto* p) { p->repetition_penalty = 0.0f; }, "repetition_penalty is 0"},
      {[](auto* p) { p->repetition_penalty = NAN; }, "repetition_penalty"},
      {[](auto* p) { p->presence_penalty = 1001.0f; }, "presence_penalty is 1001"},
      {[](auto* p) { p->frequency_penalty = -INFINITY; }, "frequency_penalty is -inf"},
      {[](auto* p) { p->penalty_window = -2; }, "penalty_window is -2"},
      {[](auto* p) { p->top_logprobs = 21; }, "top_logprobs is 21; it must be 0 to 20"},
      {[](auto* p) { p->top_logprobs = -1; }, "top_logprobs is -1"},
      {[](auto* p) {
         p->logit_bias = {{100, 0.0f}};
       },
       "token 100; the vocabulary has 100 tokens"},
      {[](auto* p) {
         p->logit_bias = {{-1, 0.0f}};
       },
       "token -1"},
      {[](auto* p) {
         p->logit_bias = {{5, NAN}};
       },
       "logit_bias of token 5 is nan"},
      {[](auto* p) {
         p->logit_bias = {{5, INFINITY}};
       },
       "logit_bias of token 5 is inf"},
      {[&](auto* p) { p->token_mask = short_mask; },
       "token_mask has 2 words; a vocabulary of 100 tokens needs 4"},
  };
  for (const BadCase& bad : cases) {
    SamplingParams params;
    bad.change(&params);
    const absl::Status status = Validate(params, 100);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.names;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.names));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST(SamplingParamsTest, LimitsThemselvesAreValid) {
  SamplingParams params;
  params.temperature = 1e-6f;
  params.top_k = 2147483647;
  params.top_p = 0.0f;
  params.min_p = 1.0f;
  params.repetition_penalty = 100.0f;
  params.presence_penalty = -1000.0f;
  params.frequency_penalty = 1000.0f;
  params.penalty_window = -1;
  params.logit_bias = {{0, -INFINITY}, {99, 1e6f}};
  params.top_logprobs = 20;
  const std::vector<int32_t> mask(4);
  params.token_mask = mask;
  EXPECT_TRUE(Validate(params, 100).ok());
  params.temperature = 1e6f;
  EXPECT_TRUE(Validate(params, 100).ok());
}

TEST(SamplingParamsTest, VocabularyOutsideItsLimitsIsRefused) {
  EXPECT_FALSE(Validate(SamplingParams(), 0).ok());
  EXPECT_FALSE(Validate(SamplingParams(), kMaxVocabSize + 1).ok());
}

TEST(SamplingParamsTest, PenaltiesWithoutAWindowChangeNothing) {
  SamplingParams params;
  params.presence_penalty = 1.0f;
  EXPECT_TRUE(ChangesLogits(params));
  params.penalty_window = 0;
  EXPECT_FALSE(ChangesLogits(params));
}

}  // namespace
}  // namespace llmrt::sampling
