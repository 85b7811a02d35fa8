// The loop: pumped and on its own thread, cancelled, closed and raced, always with the same tokens.

#include "engine/engine_core.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

const std::vector<int32_t> kPrompt = {1, 40, 50, 60, 70, 80};

StreamOptions Sampled(int64_t count, uint64_t seed) {
  StreamOptions options;
  options.max_tokens = count;
  options.ignore_eos = true;
  options.sampling.temperature = 1;
  options.sampling.logprobs = true;
  options.sampling.seed = seed;
  options.seed_given = true;
  return options;
}

std::shared_ptr<Engine> Open(bool pumped, int32_t step_tokens = 512) {
  EngineOptions options;
  options.pumped = pumped;
  options.step_tokens = step_tokens;
  options.sessions = 4;
  return llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), options);
}

TEST(EngineCoreTest, PumpedInAnySlicesGivesTheTokensOfTheOwnThread) {
  const auto own = llmrt::testing::Generate(Open(false), kPrompt, Sampled(30, 9));
  for (const int64_t pump_us : {0, 50, 100000}) {
    const auto engine = Open(true, 4);
    const auto pumped = llmrt::testing::Generate(engine, kPrompt, Sampled(30, 9), pump_us);
    EXPECT_EQ(pumped.tokens, own.tokens);
    EXPECT_EQ(pumped.logprobs, own.logprobs);
    EXPECT_EQ(pumped.text, own.text);
  }
}

TEST(EngineCoreTest, TheSmallestStepReturnsInsideAToken) {
  const auto engine = Open(true);
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
  const auto stream = session->Submit(Sampled(1, 1)).value();
  int calls = 0;
  while (stream->Info().phase != Phase::kFinished) {
    ASSERT_TRUE(engine->Step(0).ok());
    ++calls;
  }
  EXPECT_GT(calls, 20);  // a slice an op and layer at least
}

TEST(EngineCoreTest, AnIdlePumpSaysThatNoWorkRemains) {
  const auto engine = Open(true);
  const StepInfo info = engine->Step(-1).value();
  EXPECT_FALSE(info.work_remains);
  EXPECT_EQ(info.tokens_committed, 0);
}

TEST(EngineCoreTest, AnEngineWithItsOwnThreadIsNotPumped) {
  EXPECT_EQ(Open(false)->Step(0).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(EngineCoreTest, OnlyOneThreadPumpsAtATime) {
  const auto engine = Open(true);
  const auto session = engine->CreateSession({}).value();
  // Two threads pump until one of them is refused. How often they meet is the machine's business;
  // that they never both run is the engine's, and without a refusal this would not end.
  std::atomic<bool> refused{false};
  const auto pump = [&] {
    while (!refused.load()) {
      const auto step = engine->Step(-1);
      if (step.ok()) continue;
      EXPECT_EQ(step.status().code(), absl::StatusCode::kUnavailable) << step.status();
      refused.store(true);
    }
  };
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(500, 3)).ok());
  const auto stream = session->Submit(Sampled(100, 1)).value();
  std::thread other(pump);
  pump();
  other.join();
  stream->Cancel();
  EXPECT_TRUE(engine->Step(-1).ok());  // a refusal breaks nothing
}

TEST(EngineCoreTest, CancelEndsAStreamInsideItsPrompt) {
  const auto engine = Open(true, 512);
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(600, 3)).ok());
  const auto stream = session->Submit(Sampled(10, 1)).value();
  ASSERT_TRUE(engine->Step(0).ok());  // inside the first chunk now
  stream->Cancel();
  ASSERT_TRUE(engine->Step(0).ok());
  EXPECT_EQ(stream->Info().finish_reason, FinishReason::kCancelled);
  const SessionInfo info = session->Info().value();
  EXPECT_EQ(info.num_tokens, 600);
  EXPECT_FALSE(info.stream_in_flight);
}

TEST(EngineCoreTest, ACancelledSessionGoesOnWithTheSameTokens) {
  const auto expected = llmrt::testing::Generate(Open(false), kPrompt, Sampled(40, 5)).tokens;
  const auto engine = Open(true);
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
  {
    const auto stream = session->Submit(Sampled(40, 5)).value();
    while (stream->Info().generated_tokens < 10) ASSERT_TRUE(engine->Step(0).ok());
  }  // released: cancelled
  ASSERT_TRUE(engine->Step(-1).ok());
  const int64_t kept = session->Info()->num_tokens - static_cast<int64_t>(kPrompt.size());
  const auto rest = session->Submit(Sampled(40 - kept, 5)).value();
  std::vector<int32_t> tokens(static_cast<size_t>(kept));
  ASSERT_EQ(
      session->GetTokens(static_cast<int64_t>(kPrompt.size()), absl::MakeSpan(tokens)).value(),
      kept);
  const auto generation = llmrt::testing::ReadAll(*engine, *rest, 1000);
  tokens.insert(tokens.end(), generation.tokens.begin(), generation.tokens.end());
  EXPECT_EQ(tokens, expected);
}

TEST(EngineCoreTest, StreamsSideBySideGiveTheTokensOfStreamsAlone) {
  std::vector<std::vector<int32_t>> alone;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    alone.push_back(llmrt::testing::Generate(Open(false), kPrompt, Sampled(25, seed)).tokens);
  }
  const auto engine = Open(false, 3);
  std::vector<std::thread> hosts;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    hosts.emplace_back([&, seed] {
      EXPECT_EQ(llmrt::testing::Generate(engine, kPrompt, Sampled(25, seed)).tokens, alone[seed]);
    });
  }
  for (std::thread& host : hosts) host.join();
}

TEST(EngineCoreTest, AnArrivalDoesNotWaitForTheLongPromptBeforeIt) {
  EngineOptions options;
  options.pumped = true;
  options.threads = 1;
  options.tpot_target_us = 1;  // so every step is too long
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), options);
  // Teaches the engine what a row costs.
  llmrt::testing::Generate(engine, std::vector<int32_t>(60, 7), Sampled(1, 3), 1000);
  const auto first = engine->CreateSession({}).value();
  ASSERT_TRUE(first->AppendTokens(std::vector<int32_t>(500, 7)).ok());
  const auto long_prompt = first->Submit(Sampled(1, 3)).value();
  while (long_prompt->Info().phase != Phase::kPrefill) ASSERT_TRUE(engine->Step(0).ok());
  ASSERT_TRUE(engine->Step(0).ok());  // all 500 rows are in the step
  const auto second = engine->CreateSession({}).value();
  ASSERT_TRUE(second->AppendTokens({{1, 2, 3}}).ok());
  const auto arrival = second->Submit(Sampled(1, 3)).value();
  while (arrival->Info().generated_tokens == 0) ASSERT_TRUE(engine->Step(0).ok());
  // The step gave rows up, and the next one held the arrival and little of the long prompt.
  EXPECT_GT(first->Info()->num_cached, 0);
  EXPECT_LE(first->Info()->num_cached, 32);
  llmrt::testing::ReadAll(*engine, *long_prompt, 1000);
}

TEST(EngineCoreTest, AStreamThatNobodyReadsPausesAndGoesOnWhenRead) {
  const auto engine = Open(false);
  StreamOptions options = Sampled(50, 2);
  const auto expected = llmrt::testing::Generate(engine, kPrompt, options).tokens;
  options.queue_tokens = 3;
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
  const auto stream = session->Submit(options).value();
  while (stream->Info().phase != Phase::kPaused) std::this_thread::yield();
  EXPECT_EQ(stream->Info().generated_tokens, 3);
  EXPECT_EQ(llmrt::testing::ReadAll(*engine, *stream).tokens, expected);
}

TEST(EngineCoreTest, HostsThatSubmitCancelAndReleaseAtRandomBreakNothing) {
  const auto engine = Open(false);
  std::vector<std::thread> hosts;
  for (uint32_t host = 0; host < 4; ++host) {
    hosts.emplace_back([&, host] {
      std::mt19937 random(host);
      for (int round = 0; round < 30; ++round) {
        const auto session = engine->CreateSession({}).value();
        ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
        const auto stream = session->Submit(Sampled(1 + random() % 20, host)).value();
        if (random() % 3 == 0) stream->Cancel();
        if (random() % 3 != 0) llmrt::testing::ReadAll(*engine, *stream);
      }
    });
  }
  for (std::thread& host : hosts) host.join();
  // Streams that were released while they ran are gone as soon as the loop has looked.
  for (int i = 0; i < 1000 && engine->GetInfo()->num_streams > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(engine->GetInfo()->num_streams, 0);
  EXPECT_EQ(engine->GetInfo()->blocks_used, 0);
}

TEST(EngineCoreTest, KvBitsAreTheSameAfterDecodeAndAfterChunkedPrefill) {
  const auto decode = Open(false);
  const auto session = decode->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
  StreamOptions options = Sampled(60, 3);
  const auto tokens = llmrt::testing::ReadAll(*decode, *session->Submit(options).value()).tokens;
  std::vector<int32_t> all = kPrompt;
  all.insert(all.end(), tokens.begin(), tokens.end());
  all.push_back(2);  // so that the last compared token's KV is written
  for (const int32_t step_tokens : {5, 512}) {
    const auto prefill = Open(true, step_tokens);
    const auto copy = prefill->CreateSession({}).value();
    ASSERT_TRUE(copy->AppendTokens(all).ok());
    const auto stream = copy->Submit(Sampled(0, 0)).value();
    llmrt::testing::ReadAll(*prefill, *stream, 1000);
    // Whole blocks that both have written: 66 tokens hold four blocks of 16.
    for (int64_t block = 0; block < 4; ++block) {
      EXPECT_EQ(llmrt::testing::KvBlock(*decode, *session, block),
                llmrt::testing::KvBlock(*prefill, *copy, block));
    }
  }
}

TEST(EngineCoreTest, UnhealthyIsAMarkThatSurvivesCopies) {
  const absl::Status status = UnhealthyError("the device is lost");
  EXPECT_TRUE(IsUnhealthy(status));
  EXPECT_FALSE(IsUnhealthy(absl::InternalError("the device is lost")));
}

}  // namespace
}  // namespace llmrt::engine
