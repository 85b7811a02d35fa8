// Engines on a device that the host pumps: a call returns with work in flight, the tokens are those
// of an engine with a thread of its own, and streams and engines end in the middle of a step.

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/engine.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/engine/test_engine.h"
#include "tests/model/random_model.h"
#include "tests/model/step_runner.h"

namespace llmrt::testing {
namespace {

constexpr int64_t kTokens = 6;

engine::StreamOptions SixTokens() {
  engine::StreamOptions options;
  options.max_tokens = kTokens;
  options.ignore_eos = true;
  return options;
}

class CudaPumpingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (SkipWithoutEmulation()) return;
    TheEmulation().reset();
    RandomModelSpec spec;
    spec.dim = 32;
    spec.ffn_dim = 40;
    spec.context_length = 160;
    spec.type = backend::WeightType::kF16;
    source_ = RandomSource(spec);
    // More rows than a recording holds: such a step is left between its ops.
    long_prompt_ = RandomTokens(90, 300, 4);
    const auto alone = OpenEngine(source_, CudaOptions());
    long_expected_ = Generate(alone, long_prompt_, SixTokens()).tokens;
    expected_ = Generate(alone, prompt_, SixTokens()).tokens;
  }
  void TearDown() override {
    if (source_ == nullptr) return;
    EXPECT_EQ(Describe(Counts()), Describe({}));
    TheEmulation().reset();
  }

  std::shared_ptr<engine::Engine> Pumped() {
    engine::EngineOptions options = CudaOptions();
    options.pumped = true;
    options.sessions = 3;
    return OpenEngine(source_, options);
  }
  struct Talk {
    std::shared_ptr<engine::Session> session;
    std::shared_ptr<engine::Stream> stream;
  };
  static Talk Begin(const std::shared_ptr<engine::Engine>& engine,
                    const std::vector<int32_t>& prompt) {
    Talk talk;
    talk.session = engine->CreateSession({}).value();
    EXPECT_TRUE(talk.session->AppendTokens(prompt).ok());
    talk.stream = talk.session->Submit(SixTokens()).value();
    return talk;
  }

  std::shared_ptr<engine::ModelSource> source_;
  const std::vector<int32_t> prompt_ = {4, 44, 144, 244};
  std::vector<int32_t> long_prompt_, expected_, long_expected_;
};

TEST_F(CudaPumpingTest, SmallBudgetsReturnAndGiveTheSameTokens) {
  if (source_ == nullptr) return;
  for (const int64_t budget_us : {0, 20, 1000}) {
    SCOPED_TRACE(budget_us);
    const auto engine = Pumped();
    const Talk a = Begin(engine, long_prompt_), b = Begin(engine, prompt_);
    int64_t calls = 0;
    while (engine->Step(budget_us)->work_remains) ++calls;
    // With no budget a call is one slice.
    EXPECT_GT(calls, budget_us == 0 ? 100 : 1);
    EXPECT_EQ(ReadAll(*engine, *a.stream, budget_us).tokens, long_expected_);
    EXPECT_EQ(ReadAll(*engine, *b.stream, budget_us).tokens, expected_);
  }
}

TEST_F(CudaPumpingTest, StreamCancelledInTheMiddleOfAStepLeavesTheOthersAlone) {
  if (source_ == nullptr) return;
  for (const int slices : {1, 12, 30, 47}) {
    SCOPED_TRACE(slices);
    const auto engine = Pumped();
    const Talk before = Begin(engine, prompt_), gone = Begin(engine, long_prompt_),
               behind = Begin(engine, prompt_);
    for (int i = 0; i < slices; ++i) ASSERT_TRUE(engine->Step(0)->work_remains);
    gone.stream->Cancel();
    EXPECT_EQ(ReadAll(*engine, *before.stream, 100).tokens, expected_);
    EXPECT_EQ(ReadAll(*engine, *behind.stream, 100).tokens, expected_);
    const Generation cancelled = ReadAll(*engine, *gone.stream, 100);
    EXPECT_EQ(cancelled.reason, engine::FinishReason::kCancelled);
    EXPECT_TRUE(cancelled.tokens.empty());
    // What it left in its blocks is nobody's.
    EXPECT_EQ(Generate(engine, long_prompt_, SixTokens(), 1000).tokens, long_expected_);
  }
}

TEST_F(CudaPumpingTest, EngineClosesWithAStepInFlight) {
  if (source_ == nullptr) return;
  for (const int slices : {1, 20, 55}) {
    SCOPED_TRACE(slices);
    const auto engine = Pumped();
    const Talk talk = Begin(engine, long_prompt_);
    for (int i = 0; i < slices; ++i) ASSERT_TRUE(engine->Step(0)->work_remains);
    engine->Close();
    EXPECT_EQ(Describe(Counts()), Describe({}));
    const auto read = talk.stream->Read({});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->finish_reason, engine::FinishReason::kEngineClosed);
  }
}

TEST_F(CudaPumpingTest, EngineWithAThreadClosesWhileItWorks) {
  if (source_ == nullptr) return;
  const auto engine = OpenEngine(source_, CudaOptions());
  const Talk talk = Begin(engine, long_prompt_);
  while (talk.stream->Info().phase == engine::Phase::kQueued) {
  }
  engine->Close();
  EXPECT_EQ(Describe(Counts()), Describe({}));
}

}  // namespace
}  // namespace llmrt::testing
