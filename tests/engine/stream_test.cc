#include "engine/stream.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/session.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

class StreamTest : public ::testing::Test {
 protected:
  std::shared_ptr<Stream> Submit(StreamOptions options) {
    session_ = engine_->CreateSession({}).value();
    EXPECT_TRUE(session_->AppendTokens({{1, 20, 30}}).ok());
    return session_->Submit(std::move(options)).value();
  }

  const std::shared_ptr<Engine> engine_ =
      llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  std::shared_ptr<Session> session_;
};

TEST_F(StreamTest, InfoTellsTheCourseOfTheStream) {
  StreamOptions options;
  options.max_tokens = 8;
  options.ignore_eos = true;
  const auto stream = Submit(options);
  llmrt::testing::ReadAll(*engine_, *stream);
  const StreamInfo info = stream->Info();
  EXPECT_EQ(info.phase, Phase::kFinished);
  EXPECT_EQ(info.finish_reason, FinishReason::kMaxTokens);
  EXPECT_EQ(info.prompt_tokens, 3);
  EXPECT_EQ(info.cached_tokens, 0);
  EXPECT_EQ(info.generated_tokens, 8);
  EXPECT_GE(info.queue_us, 0);
  EXPECT_GE(info.ttft_us, info.queue_us);
  EXPECT_GE(info.total_us, info.ttft_us);
}

TEST_F(StreamTest, ASecondTurnFindsItsPrefixCached) {
  StreamOptions options;
  options.max_tokens = 4;
  options.ignore_eos = true;
  llmrt::testing::ReadAll(*engine_, *Submit(options));
  ASSERT_TRUE(session_->AppendTokens({{9}}).ok());
  const auto second = session_->Submit(options).value();
  EXPECT_EQ(second->Info().prompt_tokens, 8);
  EXPECT_EQ(second->Info().cached_tokens, 6);  // the last generated token was never fed
}

TEST_F(StreamTest, ReleasingARunningStreamCancelsItAndFreesTheSession) {
  StreamOptions options;
  options.ignore_eos = true;
  options.queue_tokens = 1;
  Submit(options).reset();
  StreamOptions again;
  again.max_tokens = 1;
  absl::StatusOr<std::shared_ptr<Stream>> stream = session_->Submit(again);
  for (int i = 0; i < 2000 && !stream.ok(); ++i) {
    EXPECT_EQ(stream.status().code(), absl::StatusCode::kFailedPrecondition);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stream = session_->Submit(again);
  }
  EXPECT_TRUE(stream.ok()) << stream.status();
}

TEST_F(StreamTest, TopLogprobsContainTheGreedyChoiceFirst) {
  StreamOptions options;
  options.max_tokens = 3;
  options.ignore_eos = true;
  options.sampling.logprobs = true;
  options.sampling.top_logprobs = 5;
  const auto stream = Submit(options);
  const auto generation = llmrt::testing::ReadAll(*engine_, *stream);
  for (int64_t i = 0; i < 3; ++i) {
    sampling::TokenLogprob top[5];
    ASSERT_EQ(stream->TopLogprobs(i, absl::MakeSpan(top)).value(), 5);
    EXPECT_EQ(top[0].token, generation.tokens[static_cast<size_t>(i)]);
    EXPECT_EQ(top[0].logprob, generation.logprobs[static_cast<size_t>(i)]);
    EXPECT_GE(top[0].logprob, top[4].logprob);
  }
}

TEST_F(StreamTest, PromptLogprobsAreThoseThatGenerationReports) {
  StreamOptions options;
  options.max_tokens = 6;
  options.ignore_eos = true;
  options.sampling.logprobs = true;
  const auto generation = llmrt::testing::ReadAll(*engine_, *Submit(options));
  std::vector<int32_t> tokens = {1, 20, 30};
  tokens.insert(tokens.end(), generation.tokens.begin(), generation.tokens.end());
  const auto scored = engine_->CreateSession({}).value();
  ASSERT_TRUE(scored->AppendTokens(tokens).ok());
  StreamOptions score;
  score.max_tokens = 0;
  score.prompt_logprobs = true;
  const auto stream = scored->Submit(score).value();
  llmrt::testing::ReadAll(*engine_, *stream);
  std::vector<float> logprobs(6);
  ASSERT_EQ(stream->PromptLogprobs(3, absl::MakeSpan(logprobs)).value(), 6);
  EXPECT_EQ(logprobs, generation.logprobs);  // bit for bit
}

// The turn before may have left KV for all its tokens (as here, where it only read its prompt) or
// for all but the last.
TEST_F(StreamTest, PromptLogprobsOfALaterTurnAreThoseOfOneLongPrompt) {
  StreamOptions score;
  score.max_tokens = 0;
  score.prompt_logprobs = true;
  const auto whole = engine_->CreateSession({}).value();
  ASSERT_TRUE(whole->AppendTokens({{1, 20, 30, 7, 8, 9}}).ok());
  const auto one = whole->Submit(score).value();
  llmrt::testing::ReadAll(*engine_, *one);
  std::vector<float> expected(3);
  ASSERT_EQ(one->PromptLogprobs(3, absl::MakeSpan(expected)).value(), 3);

  const auto turns = engine_->CreateSession({}).value();
  ASSERT_TRUE(turns->AppendTokens({{1, 20, 30}}).ok());
  llmrt::testing::ReadAll(*engine_, *turns->Submit(score).value());
  ASSERT_TRUE(turns->AppendTokens({{7, 8, 9}}).ok());
  const auto second = turns->Submit(score).value();
  llmrt::testing::ReadAll(*engine_, *second);
  std::vector<float> logprobs(3);
  ASSERT_EQ(second->PromptLogprobs(3, absl::MakeSpan(logprobs)).value(), 3);
  EXPECT_EQ(logprobs, expected);
}

}  // namespace
}  // namespace llmrt::engine
