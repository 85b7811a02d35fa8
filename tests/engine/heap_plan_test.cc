#include "engine/heap_plan.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "engine/engine_core.h"
#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

class HeapPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  }

  void Open(const EngineOptions& options) {
    engine_ = llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), options);
    const std::shared_ptr<const Model> model = engine_->GetModel().value();
    const Plan plan = engine_->GetPlan().value();
    shape_ = {.model = model->heap(),
              .limits = {.rows = std::min<int64_t>(options.step_tokens, plan.context_length),
                         .logit_rows = options.draft_max == 16 ? 17 : 16,
                         .context_length = plan.context_length},
              .running_max = 16,
              .draft_max = DraftMax(options),
              .draft_lookup = options.draft_lookup,
              .num_layers = 2,
              .vocab_size = static_cast<int32_t>(model->vocab_size()),
              .rope_dims = 16,
              .threads = options.threads,
              .sessions = options.sessions,
              .block_size = options.block_size};
    blocks_ = plan.kv_blocks;
  }

  HeapShape shape_;
  int64_t blocks_ = 0;
  std::shared_ptr<Engine> engine_;
};

TEST_F(HeapPlanTest, AnEngineWithoutSessionsTakesLittleLessThanItsPart) {
  for (const int32_t step_tokens : {32, 512}) {
    EngineOptions options;
    options.threads = 3;
    options.step_tokens = step_tokens;
    Open(options);
    const int64_t planned = LoadedHeapBytes(shape_, blocks_);
    const int64_t used = engine_->GetInfo()->heap_bytes;
    EXPECT_GE(planned, used);
    EXPECT_LE(planned, used + 6000);
  }
}

TEST_F(HeapPlanTest, SpeculationTakesLittleLessThanItsPart) {
  for (const int32_t draft_max : {8, 16}) {
    EngineOptions options;
    options.threads = 3;
    options.draft_max = draft_max;
    Open(options);
    const int64_t planned = LoadedHeapBytes(shape_, blocks_);
    const int64_t used = engine_->GetInfo()->heap_bytes;
    EXPECT_GE(planned, used);
    EXPECT_LE(planned, used + 6000);
  }
}

TEST_F(HeapPlanTest, ASessionWithAStreamTakesLittleLessThanItsPart) {
  for (const int64_t context : {48, 640, -640}) {
    EngineOptions options;
    options.threads = 1;
    options.draft_lookup = context < 0;
    options.context_length = std::abs(context);
    Open(options);
    const int64_t before = engine_->GetInfo()->heap_bytes;
    auto session = engine_->CreateSession({}).value();
    StreamOptions greedy;
    greedy.ignore_eos = true;
    // A prompt that fills it, then a stream that does.
    ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(options.context_length - 10, 3)).ok());
    llmrt::testing::ReadAll(*engine_, *session->Submit(greedy).value());
    ASSERT_TRUE(session->Rewind(0).ok());
    ASSERT_TRUE(session->AppendTokens({3}).ok());
    auto stream = session->Submit(greedy).value();
    while (stream->Info().finish_reason == FinishReason::kNone) std::this_thread::yield();
    const int64_t used = engine_->GetInfo()->heap_bytes - before;
    const int64_t planned = SessionHeapBytes(shape_, options.context_length);
    // A stream that has ended may have given back what it knew of its drafts.
    const int64_t drafts = options.draft_lookup ? sizeof(speculation::StreamDrafts) : 0;
    EXPECT_GE(planned, used);
    EXPECT_LE(planned, used + 1000 + drafts);
  }
}

TEST_F(HeapPlanTest, LoadingTakesTheStagingAndNoneOfTheLatersArrays) {
  Open({});
  shape_.staging_bytes = 0;
  const int64_t without = LoadingHeapBytes(shape_);
  EXPECT_LT(without, LoadedHeapBytes(shape_, blocks_));
  shape_.staging_bytes = 100000;
  EXPECT_EQ(LoadingHeapBytes(shape_), without + 100000);
}

TEST_F(HeapPlanTest, FullSessionsAddUpAndTheReserveIsPartOfThem) {
  Open({});
  shape_.sessions = 4;
  const int64_t four = RunningHeapBytes(shape_, blocks_, 100);
  shape_.sessions = 5;
  EXPECT_EQ(RunningHeapBytes(shape_, blocks_, 100) - four, SessionHeapBytes(shape_, 100));
  EXPECT_LT(StreamReserveBytes(1),
            RunningHeapBytes(shape_, blocks_, 100) - LoadedHeapBytes(shape_, blocks_));
}

}  // namespace
}  // namespace llmrt::engine
