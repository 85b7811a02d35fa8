#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

StreamOptions Tokens(int64_t count) {
  StreamOptions options;
  options.max_tokens = count;
  options.ignore_eos = true;
  return options;
}

TEST(EngineTest, CreateReturnsBeforeTheLoadAndTheLoadReportsItself) {
  const auto engine = Engine::Create(llmrt::testing::RandomSource(), {}).value();
  ASSERT_TRUE(engine->WaitLoad(-1).ok());
  EXPECT_EQ(engine->GetLoad().phase, LoadPhase::kReady);
  EXPECT_EQ(engine->GetLoad().fraction, 1.0f);
}

TEST(EngineTest, AFailedLoadKeepsItsStatusForEveryCall) {
  const auto source = std::make_shared<llmrt::testing::FileSource>("/no/such/file.gguf");
  const auto engine = Engine::Create(source, {}).value();
  EXPECT_EQ(engine->WaitLoad(-1).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine->GetLoad().phase, LoadPhase::kFailed);
  EXPECT_EQ(engine->CreateSession({}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine->GetPlan().status().code(), absl::StatusCode::kNotFound);
  const auto record = engine->PollLog(1000);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->level, LogLevel::kError);
  EXPECT_NE(record->text.find("/no/such/file.gguf"), std::string::npos);
}

// Blocks the load in its first read until it is let go.
class GatedSource : public ModelSource {
 public:
  absl::StatusOr<std::unique_ptr<formats::ModelFile>> Open(bool use_mmap) override {
    while (!open.load()) std::this_thread::yield();
    return inner_.Open(use_mmap);
  }
  std::atomic<bool> open{false};

 private:
  llmrt::testing::MemorySource inner_{llmrt::testing::MakeRandomModel({})};
};

TEST(EngineTest, BeforeTheLoadEndsCallsSayWhatToWaitFor) {
  const auto source = std::make_shared<GatedSource>();
  const auto engine = Engine::Create(source, {}).value();
  EXPECT_EQ(engine->CreateSession({}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine->WaitLoad(1).code(), absl::StatusCode::kDeadlineExceeded);
  source->open.store(true);
  EXPECT_TRUE(engine->WaitLoad(-1).ok());
}

TEST(EngineTest, ACancelledLoadEndsWithCancelled) {
  const auto source = std::make_shared<GatedSource>();
  const auto engine = Engine::Create(source, {}).value();
  engine->CancelLoad();
  source->open.store(true);
  EXPECT_EQ(engine->WaitLoad(-1).code(), absl::StatusCode::kCancelled);
}

TEST(EngineTest, CloseEndsStreamsFreesMemoryAndIsIdempotent) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens({{1, 2, 3}}).ok());
  StreamOptions options = Tokens(-1);
  options.queue_tokens = 1;  // nobody reads, so it cannot end by itself
  const auto stream = session->Submit(options).value();
  engine->Close();
  engine->Close();
  EXPECT_EQ(stream->Info().finish_reason, FinishReason::kEngineClosed);
  EXPECT_EQ(engine->GetLoad().phase, LoadPhase::kClosed);
  EXPECT_EQ(session->Info().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(EngineTest, AWaitingReaderIsWokenByClose) {
  EngineOptions options;
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), options);
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens({{1, 2, 3}}).ok());
  StreamOptions small = Tokens(-1);
  small.queue_tokens = 1;
  const auto stream = session->Submit(small).value();
  ASSERT_TRUE(stream->Wait(-1).ok());
  std::thread closer([&] { engine->Close(); });
  const llmrt::testing::Generation generation = llmrt::testing::ReadAll(*engine, *stream);
  closer.join();
  // If the closer comes late, reading takes the stream to the end of its context first.
  EXPECT_TRUE(generation.reason == FinishReason::kEngineClosed ||
              generation.reason == FinishReason::kContextFull);
}

// Close comes while a thread pumps, waits for any stream, or submits: each call ends, none hangs.
TEST(EngineTest, CloseMeetsPumpsWaitsAndSubmits) {
  const auto source = llmrt::testing::RandomSource();
  for (int round = 0; round < 30; ++round) {
    EngineOptions options;
    options.pumped = round % 2 == 0;
    const auto engine = llmrt::testing::OpenEngine(source, options);
    const auto session = engine->CreateSession({}).value();
    ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(400, 3)).ok());
    const auto stream = session->Submit(Tokens(-1)).value();
    stream->SetTag(7);
    std::thread pump([&] {
      while (options.pumped && engine->Step(-1).ok()) continue;
    });
    std::thread waiter([&] {
      uint64_t tag;
      while (!options.pumped && engine->Wait({&tag, 1}, -1).ok()) continue;
    });
    std::thread submitter([&] {
      while (engine->CreateSession({}).ok()) continue;
    });
    engine->Close();
    pump.join();
    waiter.join();
    submitter.join();
    EXPECT_EQ(stream->Info().phase, Phase::kFinished);
  }
}

// Whoever waits for any stream is told when the last one is released.
TEST(EngineTest, ReleasingTheLastStreamEndsTheWaitForAny) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  for (int round = 0; round < 50; ++round) {
    const auto session = engine->CreateSession({}).value();
    ASSERT_TRUE(session->AppendTokens({{1, 2, 3}}).ok());
    auto stream = session->Submit(Tokens(round % 3)).value();  // without a tag: never ready
    std::thread waiter([&] {
      uint64_t tag;
      EXPECT_EQ(engine->Wait({&tag, 1}, -1).status().code(), absl::StatusCode::kFailedPrecondition);
    });
    stream.reset();
    waiter.join();
  }
}

TEST(EngineTest, ObjectsMayBeReleasedInAnyOrder) {
  auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens({{1, 2, 3}}).ok());
  auto stream = session->Submit(Tokens(5)).value();
  Engine* raw = engine.get();
  engine.reset();
  session.reset();
  EXPECT_EQ(llmrt::testing::ReadAll(*raw, *stream).tokens.size(), 5u);
  stream.reset();
}

TEST(EngineTest, ManyEnginesLiveSideBySide) {
  const auto source = llmrt::testing::RandomSource();
  std::vector<std::shared_ptr<Engine>> engines;
  for (int i = 0; i < 4; ++i) engines.push_back(llmrt::testing::OpenEngine(source));
  const auto expected = llmrt::testing::Generate(engines[0], {1, 2, 3}, Tokens(20)).tokens;
  for (const auto& engine : engines) {
    EXPECT_EQ(llmrt::testing::Generate(engine, {1, 2, 3}, Tokens(20)).tokens, expected);
  }
}

TEST(EngineTest, AHundredLoadsAndUnloadsLeaveNoMemoryBehind) {
  const auto source = llmrt::testing::RandomSource();
  int64_t before = 0;
  for (int i = 0; i < 100; ++i) {
    if (i == 10) before = memory::HeapBytes();  // 0 where a sanitizer counts
    const auto engine = llmrt::testing::OpenEngine(source);
    llmrt::testing::Generate(engine, {1, 2, 3}, Tokens(2));
    engine->Close();
    EXPECT_FALSE(engine->GetInfo().ok());
  }
  EXPECT_EQ(memory::HeapBytes(), before);
}

TEST(EngineTest, InfoCountsWhatWasDone) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  llmrt::testing::Generate(engine, {1, 2, 3, 4}, Tokens(6));
  const EngineInfo info = engine->GetInfo().value();
  EXPECT_EQ(info.totals.prefilled, 4);
  EXPECT_EQ(info.totals.generated, 6);
  EXPECT_EQ(info.totals.steps, 6);
  EXPECT_EQ(info.num_sessions, 0);
  EXPECT_EQ(info.blocks_used, 0);
  const Plan plan = engine->GetPlan().value();
  EXPECT_EQ(info.memory_used_bytes,
            plan.weights_bytes + plan.kv_bytes + plan.workspace_bytes + info.heap_bytes);
  EXPECT_GE(plan.total_bytes, info.memory_peak_bytes);
}

}  // namespace
}  // namespace llmrt::engine
