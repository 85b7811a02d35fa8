#include "engine/step.h"

#include <gtest/gtest.h>

#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

class StepTest : public ::testing::Test {
 protected:
  void Load(EngineOptions options) {
    options.threads = 1;
    resources_ = LoadResources(*llmrt::testing::RandomSource(), options, log_, [](float) {
                   return true;
                 }).value();
    step_ = std::make_unique<Step>(*resources_);
  }

  ActiveStream Add(const std::vector<int32_t>& prompt, StreamOptions options) {
    auto session = std::make_shared<SessionState>(640, 16);
    session->tokens = prompt;
    session->in_flight = true;
    const PromptShape shape{.first_new = 0, .length = static_cast<int64_t>(prompt.size())};
    return {StreamState::Create(std::move(options), shape, ready_, false).value(), session};
  }

  // Runs one step of `active` to its end.
  bool RunOne(absl::Span<const ActiveStream> active) {
    if (!step_->Plan(active).value()) return false;
    EXPECT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
    step_->Commit();
    return true;
  }

  LogRing log_{LogLevel::kInfo};
  const std::shared_ptr<ReadySignal> ready_ = std::make_shared<ReadySignal>();
  std::unique_ptr<Resources> resources_;
  std::unique_ptr<Step> step_;
};

TEST_F(StepTest, APromptTakesAsManyStepsAsItsChunks) {
  EngineOptions options;
  options.step_tokens = 8;
  Load(options);
  StreamOptions stream;
  stream.max_tokens = 1;
  const ActiveStream active = Add(std::vector<int32_t>(20, 7), stream);
  for (const int64_t cached : {8, 16, 20}) {
    ASSERT_TRUE(RunOne({&active, 1}));
    EXPECT_EQ(active.session->cached, cached);
  }
  EXPECT_EQ(active.session->tokens.size(), 21u);
  EXPECT_EQ(active.stream->Info().finish_reason, FinishReason::kMaxTokens);
}

TEST_F(StepTest, NothingChangesBeforeTheCommit) {
  Load({});
  const ActiveStream active = Add({1, 5, 9}, {});
  ASSERT_TRUE(step_->Plan({&active, 1}).value());
  ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
  EXPECT_EQ(active.session->cached, 0);
  EXPECT_EQ(active.session->tokens.size(), 3u);
  step_->Abandon();
  EXPECT_FALSE(step_->in_flight());
  ASSERT_TRUE(RunOne({&active, 1}));
  EXPECT_EQ(active.session->tokens.size(), 4u);
}

TEST_F(StepTest, AStepStopsBetweenSlicesAndGoesOn) {
  Load({});
  const ActiveStream active = Add({1, 5, 9}, {});
  ASSERT_TRUE(step_->Plan({&active, 1}).value());
  int slices = 0;
  while (!step_->Run(1, [] { return true; }).value()) ++slices;
  EXPECT_GT(slices, 20);
  step_->Commit();
  EXPECT_EQ(active.stream->generated(), 1);
}

TEST_F(StepTest, ACancelledStreamKeepsItsSessionAtTheLastCommittedToken) {
  Load({});
  const ActiveStream active = Add({1, 5, 9}, {});
  ASSERT_TRUE(RunOne({&active, 1}));
  ASSERT_TRUE(step_->Plan({&active, 1}).value());
  active.stream->Cancel();
  EXPECT_TRUE(step_->Unwanted());
  ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
  step_->Commit();
  EXPECT_EQ(active.session->tokens.size(), 4u);
  EXPECT_EQ(active.stream->Info().finish_reason, FinishReason::kCancelled);
}

TEST_F(StepTest, AStreamWithoutBlocksFailsAndItsNeighbourGoesOn) {
  EngineOptions options;
  options.context_length = 32;  // two blocks in all
  Load(options);
  const ActiveStream streams[] = {Add(std::vector<int32_t>(20, 3), {}), Add({1, 2}, {})};
  ASSERT_TRUE(step_->Plan(streams).value());
  EXPECT_TRUE(step_->in_flight());
  // The decode-sized work goes by order: the long prompt took both blocks, the short one found
  // none.
  EXPECT_EQ(streams[1].stream->Info().finish_reason, FinishReason::kError);
  EXPECT_EQ(streams[1].stream->Info().status.code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
  step_->Commit();
  EXPECT_EQ(streams[0].stream->generated(), 1);
}

TEST_F(StepTest, FailEndsEveryStreamOfTheStep) {
  Load({});
  const ActiveStream active = Add({1}, {});
  ASSERT_TRUE(step_->Plan({&active, 1}).value());
  step_->Fail(absl::InternalError("device"));
  EXPECT_EQ(active.stream->Info().finish_reason, FinishReason::kError);
  EXPECT_FALSE(step_->in_flight());
}

TEST_F(StepTest, AFullQueuePausesItsStreamAlone) {
  Load({});
  StreamOptions small;
  small.queue_tokens = 1;
  small.ignore_eos = true;
  StreamOptions large;
  large.ignore_eos = true;
  const ActiveStream streams[] = {Add({1, 2}, small), Add({1, 3}, large)};
  ASSERT_TRUE(RunOne(streams));
  ASSERT_TRUE(RunOne(streams));
  EXPECT_EQ(streams[0].stream->Info().phase, Phase::kPaused);
  EXPECT_EQ(streams[0].stream->generated(), 1);
  EXPECT_EQ(streams[1].stream->generated(), 2);
}

TEST_F(StepTest, PromptLogprobsCoverThePromptWhateverTheChunk) {
  std::vector<float> expected;
  for (const int32_t step_tokens : {64, 3}) {
    EngineOptions options;
    options.step_tokens = step_tokens;
    Load(options);
    StreamOptions stream;
    stream.prompt_logprobs = true;
    stream.max_tokens = 0;
    const ActiveStream active = Add({1, 17, 33, 4, 250, 99, 18}, stream);
    while (active.stream->Info().phase != Phase::kFinished) ASSERT_TRUE(RunOne({&active, 1}));
    std::vector<float> logprobs(8);
    ASSERT_EQ(active.stream->PromptLogprobs(0, absl::MakeSpan(logprobs)).value(), 7);
    EXPECT_EQ(logprobs[0], 0.0f);
    for (int i = 1; i < 7; ++i) EXPECT_LT(logprobs[static_cast<size_t>(i)], 0.0f);
    if (expected.empty()) expected = logprobs;
    EXPECT_EQ(logprobs, expected);
  }
}

}  // namespace
}  // namespace llmrt::engine
