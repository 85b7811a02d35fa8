// Whole draws against the oracle, errors, extremes, and what a draw may depend on.
#include "sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "numerics/fp_mode.h"
#include "tests/sampling/sampling_oracle.h"

namespace llmrt::sampling {
namespace {

using testing::HasSubstr;

int32_t MustDraw(Sampler* sampler, const SamplingParams& params, const std::vector<float>& logits,
                 const std::vector<int32_t>& history = {}, int64_t position = 0) {
  Draw draw;
  const absl::Status status = sampler->Sample(params, logits, history, position, &draw);
  EXPECT_TRUE(status.ok()) << status;
  return draw.token;
}

SamplingParams RandomParams(std::mt19937* random, int32_t vocab) {
  std::normal_distribution<float> normal;
  SamplingParams p;
  p.temperature = (*random)() % 8 == 0 ? 0.0f : std::exp(normal(*random));
  if ((*random)() % 2)
    p.top_k = static_cast<int32_t>((*random)() % static_cast<uint32_t>(vocab + 5));
  if ((*random)() % 2) p.top_p = static_cast<float>((*random)() % 1001) / 1000.0f;
  if ((*random)() % 3 == 0) p.min_p = static_cast<float>((*random)() % 1001) / 5000.0f;
  if ((*random)() % 2) p.repetition_penalty = std::exp(normal(*random) / 4);
  if ((*random)() % 2) p.presence_penalty = normal(*random);
  if ((*random)() % 2) p.frequency_penalty = normal(*random) / 4;
  p.penalty_window = static_cast<int32_t>((*random)() % 40) - 1;
  for (int i = static_cast<int>((*random)() % 4); i > 0; --i) {
    p.logit_bias.push_back(
        {static_cast<int32_t>((*random)() % static_cast<uint32_t>(vocab)), normal(*random) * 3});
  }
  p.seed = (*random)() * uint64_t{0x100000001};
  p.sample_index = static_cast<int32_t>((*random)() % 3);
  return p;
}

TEST(SamplerTest, RandomDrawsEqualTheOracle) {
  std::mt19937 random(1234);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  for (int trial = 0; trial < 4000; ++trial) {
    const int32_t vocab = 2 + static_cast<int32_t>(random() % 700);
    SamplingParams params = RandomParams(&random, vocab);
    std::vector<float> logits(static_cast<size_t>(vocab));
    for (float& l : logits) l = trial % 2 == 0 ? normal(random) : std::round(normal(random));
    std::vector<int32_t> history(random() % 60);
    for (int32_t& t : history) t = static_cast<int32_t>(random() % static_cast<uint32_t>(vocab));
    std::vector<int32_t> mask((static_cast<size_t>(vocab) + 31) / 32);
    for (int32_t& word : mask) word = static_cast<int32_t>(random());
    mask[0] |= 1;
    if (trial % 3 == 0) params.token_mask = mask;
    Sampler sampler(vocab);
    ASSERT_EQ(MustDraw(&sampler, params, logits, history, trial),
              OracleDraw(params, logits, history, trial))
        << trial;
  }
}

TEST(SamplerTest, GreedyTakesTheLargestAndTheLowestIdOfATie) {
  Sampler sampler(5);
  EXPECT_EQ(MustDraw(&sampler, {}, {1.0f, 7.0f, 2.0f, 7.0f, -INFINITY}), 1);
  EXPECT_EQ(MustDraw(&sampler, {}, {0.0f, -0.0f, 0.0f, 0.0f, 0.0f}), 0);
}

TEST(SamplerTest, GreedyFollowsPenaltiesBiasAndMaskButNoFilter) {
  Sampler sampler(4);
  SamplingParams params;
  params.presence_penalty = 2.0f;
  params.min_p = 1.0f;
  params.top_k = 1;
  EXPECT_EQ(MustDraw(&sampler, params, {3.0f, 2.0f, 1.0f, 0.0f}, {0}), 1);
  params.logit_bias = {{3, 10.0f}};
  EXPECT_EQ(MustDraw(&sampler, params, {3.0f, 2.0f, 1.0f, 0.0f}, {0}), 3);
  const std::vector<int32_t> mask = {0b0100};
  params.token_mask = mask;
  EXPECT_EQ(MustDraw(&sampler, params, {3.0f, 2.0f, 1.0f, 0.0f}, {0}), 2);
}

TEST(SamplerTest, TinyTemperatureIsGreedyAndHugeIsUniform) {
  Sampler sampler(10);
  std::vector<float> logits = {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f, 8.01f};
  SamplingParams params;
  params.temperature = 1e-6f;
  for (int64_t p = 0; p < 200; ++p) ASSERT_EQ(MustDraw(&sampler, params, logits, {}, p), 9);
  params.temperature = 1e6f;
  int counts[10] = {};
  for (int64_t p = 0; p < 10000; ++p) ++counts[MustDraw(&sampler, params, logits, {}, p)];
  // 1000 expected, deviation 30: six of them.
  for (int count : counts) EXPECT_NEAR(count, 1000, 180);
}

TEST(SamplerTest, TopKOfOneIsGreedyAtEveryTemperature) {
  Sampler sampler(100);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  SamplingParams params;
  params.temperature = 5.0f;
  for (int variant = 0; variant < 3; ++variant) {
    params.top_k = variant == 0 ? 1 : 0;
    params.top_p = variant == 1 ? 0.0f : 1.0f;
    params.min_p = variant == 2 ? 1.0f : 0.0f;
    for (int64_t p = 0; p < 50; ++p) {
      std::vector<float> logits(100);
      for (float& l : logits) l = normal(random);
      ASSERT_EQ(MustDraw(&sampler, params, logits, {}, p), OracleDraw({}, logits, {}, p));
    }
  }
}

TEST(SamplerTest, DrawDependsOnNothingButItsInputs) {
  Sampler used(300);
  std::mt19937 random(17);
  std::normal_distribution<float> normal;
  for (int trial = 0; trial < 300; ++trial) {
    const SamplingParams params = RandomParams(&random, 300);
    std::vector<float> logits(300);
    for (float& l : logits) l = normal(random);
    const std::vector<int32_t> history = {1, 2, 3, static_cast<int32_t>(random() % 300)};
    Sampler own(300);
    const int32_t token = MustDraw(&own, params, logits, history, trial);
    ASSERT_EQ(MustDraw(&used, params, logits, history, trial), token);  // after many other draws
    ASSERT_EQ(MustDraw(&used, params, logits, history, trial), token);
  }
}

TEST(SamplerTest, HostFloatingPointModeNeitherMattersNorChanges) {
#if defined(__x86_64__)
  Sampler sampler(200);
  std::mt19937 random(18);
  std::normal_distribution<float> normal;
  const uint64_t before = numerics::ScopedFpMode::Read();
  for (int trial = 0; trial < 100; ++trial) {
    SamplingParams params = RandomParams(&random, 200);
    std::vector<float> logits(200);
    for (float& l : logits) l = normal(random);
    const int32_t token = MustDraw(&sampler, params, logits, {5, 6}, trial);
    numerics::ScopedFpMode::Write(0x7f80);  // toward zero, denormals kept
    Draw draw;
    const bool ok = sampler.Sample(params, logits, std::vector<int32_t>{5, 6}, trial, &draw).ok();
    const uint64_t after = numerics::ScopedFpMode::Read();
    numerics::ScopedFpMode::Write(before);
    ASSERT_TRUE(ok);
    ASSERT_EQ(after, 0x7f80u);
    ASSERT_EQ(draw.token, token);
  }
#else
  GTEST_SKIP() << "needs MXCSR";
#endif
}

TEST(SamplerTest, SeedPositionAndSampleIndexEachChangeTheDraws) {
  Sampler sampler(1000);
  const std::vector<float> flat(1000, 0.0f);
  SamplingParams params;
  params.temperature = 1.0f;
  const int32_t base = MustDraw(&sampler, params, flat, {}, 7);
  SamplingParams other = params;
  other.seed = 1;
  EXPECT_NE(MustDraw(&sampler, other, flat, {}, 7), base);
  other = params;
  other.sample_index = 1;
  EXPECT_NE(MustDraw(&sampler, other, flat, {}, 7), base);
  EXPECT_NE(MustDraw(&sampler, params, flat, {}, 8), base);
}

TEST(SamplerTest, LogprobsComeFromTheRawLogits) {
  Sampler sampler(4);
  SamplingParams params;
  params.temperature = 0.5f;
  params.top_k = 1;
  params.logit_bias = {{0, -INFINITY}};
  params.logprobs = true;
  params.top_logprobs = 2;
  const std::vector<float> logits = {2.0f, 1.0f, 0.0f, -1.0f};
  Draw draw;
  ASSERT_TRUE(sampler.Sample(params, logits, {}, 0, &draw).ok());
  EXPECT_EQ(draw.token, 1);
  EXPECT_EQ(draw.logprob, LogProbOf(logits, 1));
  ASSERT_EQ(draw.top.size(), 2u);
  EXPECT_EQ(draw.top[0].token, 0);  // forbidden, yet first in the model's own distribution
  EXPECT_EQ(draw.top[1].logprob, draw.logprob);
  params.logprobs = false;
  params.top_logprobs = 0;
  ASSERT_TRUE(sampler.Sample(params, logits, {}, 0, &draw).ok());
  EXPECT_EQ(draw.logprob, 0.0f);
  EXPECT_TRUE(draw.top.empty());
}

TEST(SamplerTest, ErrorsLeaveTheOutputAlone) {
  Sampler sampler(3);
  Draw draw;
  draw.token = 42;
  SamplingParams params;
  const std::vector<float> good = {1.0f, 2.0f, 3.0f};
  params.top_p = 7.0f;
  EXPECT_EQ(sampler.Sample(params, good, {}, 0, &draw).code(), absl::StatusCode::kInvalidArgument);
  params = {};
  EXPECT_EQ(sampler.Sample(params, {}, {}, 0, &draw).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sampler.Sample(params, std::vector<float>{1.0f, NAN, 2.0f}, {}, 0, &draw).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(sampler.Sample(params, std::vector<float>(3, -INFINITY), {}, 0, &draw).code(),
            absl::StatusCode::kFailedPrecondition);
  params.presence_penalty = 1.0f;
  EXPECT_EQ(sampler.Sample(params, good, std::vector<int32_t>{3}, 0, &draw).code(),
            absl::StatusCode::kInvalidArgument);
  params = {};
  const std::vector<int32_t> nothing_allowed = {0};
  params.token_mask = nothing_allowed;
  const absl::Status masked = sampler.Sample(params, good, {}, 0, &draw);
  EXPECT_EQ(masked.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(masked.message()), HasSubstr("token mask"));
  params = {};
  params.temperature = 1e-6f;
  const absl::Status overflow =
      sampler.Sample(params, std::vector<float>{1e35f, 0.0f, 0.0f}, {}, 0, &draw);
  EXPECT_EQ(overflow.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(overflow.message()), HasSubstr("raise the temperature"));
  EXPECT_EQ(draw.token, 42);
}

TEST(SamplerTest, VocabularyOfOneTokenAlwaysGivesIt) {
  Sampler sampler(1);
  SamplingParams params;
  params.temperature = 1.0f;
  params.top_k = 40;
  params.top_p = 0.9f;
  params.min_p = 0.1f;
  EXPECT_EQ(MustDraw(&sampler, params, {-5.0f}), 0);
}

TEST(SamplerTest, LargeVocabularyDrawsEqualTheOracle) {
  const int32_t vocab = 128256;
  Sampler sampler(vocab);
  std::mt19937 random(77);
  std::normal_distribution<float> normal(0.0f, 2.5f);
  std::vector<float> logits(static_cast<size_t>(vocab));
  for (int trial = 0; trial < 6; ++trial) {
    for (float& l : logits) l = normal(random);
    SamplingParams params;
    params.temperature = 0.8f;
    params.seed = static_cast<uint64_t>(trial);
    if (trial % 3 == 1) params.top_k = 40;
    if (trial % 3 == 2) params.top_p = 0.9f;
    EXPECT_EQ(MustDraw(&sampler, params, logits, {}, trial), OracleDraw(params, logits, {}, trial));
  }
}

}  // namespace
}  // namespace llmrt::sampling
