// What hosts may ask, and what they are told when they ask for too much.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/engine_core.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

class RequestsTest : public ::testing::Test {
 protected:
  std::shared_ptr<Session> NewSession(int64_t context_length = 0) {
    return engine_->CreateSession({.context_length = context_length}).value();
  }

  const std::shared_ptr<Engine> engine_ =
      llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
};

StreamOptions Tokens(int64_t count) {
  StreamOptions options;
  options.max_tokens = count;
  options.ignore_eos = true;
  return options;
}

TEST_F(RequestsTest, APromptLongerThanTheContextIsRefusedWithBothNumbers) {
  const auto session = NewSession(10);
  const absl::Status status = session->AppendTokens(std::vector<int32_t>(11, 5));
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.message(),
            "prompt is 11 tokens; context_length is 10; raise it or shorten the prompt");
  EXPECT_EQ(session->Info()->num_pending, 0);
  EXPECT_TRUE(session->AppendTokens(std::vector<int32_t>(9, 5)).ok());
}

TEST_F(RequestsTest, AFullContextCannotGenerateButCanBeScored) {
  const auto session = NewSession(10);
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(10, 5)).ok());
  EXPECT_EQ(session->Submit(Tokens(1)).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(session->Submit(Tokens(0)).ok());
}

TEST_F(RequestsTest, GenerationEndsWhereTheContextIsFull) {
  const auto session = NewSession(10);
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(4, 5)).ok());
  const auto stream = session->Submit(Tokens(-1)).value();
  const auto generation = llmrt::testing::ReadAll(*engine_, *stream);
  EXPECT_EQ(generation.reason, FinishReason::kContextFull);
  EXPECT_EQ(generation.tokens.size(), 6u);
}

TEST_F(RequestsTest, IdsOutsideTheVocabularyAreRefused) {
  const auto session = NewSession();
  EXPECT_EQ(session->AppendTokens({{300}}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(session->AppendTokens({{-1}}).code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(session->AppendTokens({{299}}).ok());
  StreamOptions stop = Tokens(1);
  stop.stop_tokens = {300};
  EXPECT_EQ(session->Submit(stop).status().code(), absl::StatusCode::kOutOfRange);
  StreamOptions bias = Tokens(1);
  bias.sampling.logit_bias = {{300, 1.0f}};
  EXPECT_FALSE(session->Submit(bias).ok());
  EXPECT_TRUE(session->Submit(Tokens(1)).ok());
}

TEST_F(RequestsTest, OneStreamAtATimeAndNoAppendingMeanwhile) {
  const auto session = NewSession();
  ASSERT_TRUE(session->AppendTokens({{1, 2}}).ok());
  StreamOptions options = Tokens(-1);
  options.queue_tokens = 1;  // pauses, so it stays in flight
  const auto stream = session->Submit(options).value();
  EXPECT_EQ(session->Submit(Tokens(1)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(session->AppendTokens({{3}}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(session->Info()->stream_in_flight);
}

TEST_F(RequestsTest, AnEmptySessionCannotBeSubmitted) {
  EXPECT_EQ(NewSession()->Submit(Tokens(1)).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RequestsTest, ASessionLongerThanTheEngineIsRefused) {
  EXPECT_EQ(engine_->CreateSession({.context_length = 641}).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(RequestsTest, StopTokensEndTheStreamAndDoNotJoinTheSession) {
  const auto first = llmrt::testing::Generate(engine_, {1, 7}, Tokens(12));
  StreamOptions options = Tokens(12);
  options.stop_tokens = {first.tokens[5]};
  const auto session = NewSession();
  ASSERT_TRUE(session->AppendTokens({{1, 7}}).ok());
  const auto stopped = llmrt::testing::ReadAll(*engine_, *session->Submit(options).value());
  EXPECT_EQ(stopped.reason, FinishReason::kStopToken);
  EXPECT_LE(stopped.tokens.size(), 5u);
  EXPECT_EQ(session->Info()->num_tokens, 2 + static_cast<int64_t>(stopped.tokens.size()));
}

TEST_F(RequestsTest, ASecondTurnContinuesWithTheTokensOfOneLongTurn) {
  const auto expected = llmrt::testing::Generate(engine_, {1, 7, 9}, Tokens(20)).tokens;
  const auto session = NewSession();
  ASSERT_TRUE(session->AppendTokens({{1, 7, 9}}).ok());
  std::vector<int32_t> tokens;
  for (int turn = 0; turn < 4; ++turn) {
    const auto part = llmrt::testing::ReadAll(*engine_, *session->Submit(Tokens(5)).value());
    tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
  }
  EXPECT_EQ(tokens, expected);
}

TEST_F(RequestsTest, ASeedThatWasNotGivenIsDrawnAndReported) {
  StreamOptions options = Tokens(10);
  options.sampling.temperature = 1;
  const auto session = NewSession();
  ASSERT_TRUE(session->AppendTokens({{1, 7}}).ok());
  const auto stream = session->Submit(options).value();
  const auto first = llmrt::testing::ReadAll(*engine_, *stream);
  options.seed_given = true;
  options.sampling.seed = stream->Info().seed;
  EXPECT_EQ(llmrt::testing::Generate(engine_, {1, 7}, options).tokens, first.tokens);
  options.sampling.seed += 1;
  EXPECT_NE(llmrt::testing::Generate(engine_, {1, 7}, options).tokens, first.tokens);
}

TEST_F(RequestsTest, WaitListsReadyStreamsByTagAndEndsWhenNoneIsOpen) {
  uint64_t tags[4];
  EXPECT_EQ(engine_->Wait(tags, 0).status().code(), absl::StatusCode::kFailedPrecondition);
  const auto session = NewSession();
  ASSERT_TRUE(session->AppendTokens({{1, 7}}).ok());
  const auto stream = session->Submit(Tokens(1)).value();
  stream->SetTag(42);
  ASSERT_EQ(engine_->Wait(tags, -1).value(), 1);
  EXPECT_EQ(tags[0], 42u);
  llmrt::testing::ReadAll(*engine_, *stream);
  EXPECT_EQ(engine_->Wait(tags, -1).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RequestsTest, TokensAreCopiedFromAnyPosition) {
  const auto session = NewSession();
  ASSERT_TRUE(session->AppendTokens({{1, 7, 9}}).ok());
  ASSERT_TRUE(llmrt::testing::ReadAll(*engine_, *session->Submit(Tokens(0)).value()).status.ok());
  std::vector<int32_t> tokens(2);
  EXPECT_EQ(session->GetTokens(1, absl::MakeSpan(tokens)).value(), 2);
  EXPECT_EQ(tokens, (std::vector<int32_t>{7, 9}));
  EXPECT_EQ(session->GetTokens(3, absl::MakeSpan(tokens)).value(), 0);
  EXPECT_EQ(session->GetTokens(4, absl::MakeSpan(tokens)).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(RequestsBudgetTest, WhatNeverFitsTheBudgetIsSaidAtTheLoad) {
  EngineOptions options;
  const auto source = llmrt::testing::RandomSource();
  const Plan plan = llmrt::testing::OpenEngine(source)->GetPlan().value();
  options.memory_budget_bytes = plan.weights_bytes;
  const auto engine = Engine::Create(source, options).value();
  EXPECT_EQ(engine->WaitLoad(-1).code(), absl::StatusCode::kResourceExhausted);
}

TEST(RequestsBudgetTest, ARestingSessionGivesItsBlocksUpAndComputesThemAgain) {
  EngineOptions options;
  options.context_length = 48;
  const auto source = llmrt::testing::RandomSource();
  const auto engine = llmrt::testing::OpenEngine(source, options);
  // Three blocks hold 48 tokens; a resting session keeps two of them until they are needed.
  const auto resting = engine->CreateSession({}).value();
  ASSERT_TRUE(resting->AppendTokens(std::vector<int32_t>(20, 5)).ok());
  const auto first = llmrt::testing::ReadAll(*engine, *resting->Submit(Tokens(4)).value());
  EXPECT_EQ(engine->GetInfo()->blocks_cached, 2);
  EXPECT_EQ(resting->Info()->num_cached, 23);
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(30, 5)).ok());
  const auto generation = llmrt::testing::ReadAll(*engine, *session->Submit(Tokens(10)).value());
  EXPECT_EQ(generation.tokens.size(), 10u);
  EXPECT_EQ(resting->Info()->num_cached, 0);
  const auto second = llmrt::testing::ReadAll(*engine, *resting->Submit(Tokens(4)).value());
  const auto undisturbed = llmrt::testing::OpenEngine(source)->CreateSession({}).value();
  ASSERT_TRUE(undisturbed->AppendTokens(std::vector<int32_t>(20, 5)).ok());
  auto stream = undisturbed->Submit(Tokens(8)).value();
  std::vector<int32_t> expected(8);
  for (int64_t read = 0; read < 8;) {
    ASSERT_TRUE(stream->Wait(-1).ok());
    read +=
        stream->Read({.tokens = expected.data() + read, .tokens_capacity = 8 - read})->num_tokens;
  }
  std::vector<int32_t> tokens = first.tokens;
  tokens.insert(tokens.end(), second.tokens.begin(), second.tokens.end());
  EXPECT_EQ(tokens, expected);
}

TEST(RequestsBudgetTest, AForkAndItsParentGoOnAsIfTheyWereAlone) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  const auto parent = engine->CreateSession({}).value();
  ASSERT_TRUE(parent->AppendTokens(std::vector<int32_t>(20, 5)).ok());
  llmrt::testing::ReadAll(*engine, *parent->Submit(Tokens(4)).value());
  const auto child = parent->Fork(-1).value();
  const auto shorter = parent->Fork(7).value();
  EXPECT_EQ(child->Info()->num_tokens, 24);
  EXPECT_EQ(child->Info()->num_cached, 23);
  EXPECT_EQ(shorter->Info()->num_cached, 7);
  EXPECT_EQ(engine->GetInfo()->blocks_cached, 2);  // shared by all three
  const auto of_parent = llmrt::testing::ReadAll(*engine, *parent->Submit(Tokens(6)).value());
  const auto of_child = llmrt::testing::ReadAll(*engine, *child->Submit(Tokens(6)).value());
  EXPECT_EQ(of_child.tokens, of_parent.tokens);
  EXPECT_EQ(parent->Fork(31).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(RequestsBudgetTest, ARewoundSessionAnswersAsBefore) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(20, 5)).ok());
  const auto first = llmrt::testing::ReadAll(*engine, *session->Submit(Tokens(9)).value());
  ASSERT_TRUE(session->Rewind(20).ok());
  EXPECT_EQ(session->Info()->num_tokens, 20);
  EXPECT_EQ(llmrt::testing::ReadAll(*engine, *session->Submit(Tokens(9)).value()).tokens,
            first.tokens);
  ASSERT_TRUE(session->AppendTokens({{1, 2, 3}}).ok());
  ASSERT_TRUE(session->Rewind(30).ok());
  EXPECT_EQ(session->Info()->num_pending, 1);
  EXPECT_EQ(session->Rewind(31).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace llmrt::engine
