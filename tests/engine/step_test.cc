#include "engine/step.h"

#include <gtest/gtest.h>

#include "memory/counted_heap.h"
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

  // A stream in line, over `session` or a new one.
  ActiveStream& Add(const std::vector<int32_t>& prompt, StreamOptions options,
                    std::shared_ptr<SessionState> session = nullptr) {
    if (session == nullptr) session = std::make_shared<SessionState>(640);
    session->tokens.reserve(640);
    session->tokens.insert(session->tokens.end(), prompt.begin(), prompt.end());
    const PromptShape shape{.first_new = 0, .length = static_cast<int64_t>(session->tokens.size())};
    options.ignore_eos = true;
    active_.push_back(std::make_unique<ActiveStream>(
        StreamState::Create(std::move(options), shape, ready_, false).value(), session));
    resources_->paged->ReserveTable(session->sequence, 640);  // as a submission does
    resources_->scheduler->ReserveRoom(active_.size());
    resources_->scheduler->Enqueue(*active_.back());
    return *active_.back();
  }

  void Retire(ActiveStream& active) { resources_->scheduler->Remove(active); }

  bool Plan() { return step_->Plan(1000).value(); }
  void Finish() {
    EXPECT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
    step_->Commit();
    for (const auto& active : active_) {
      if (active->stream->finished()) Retire(*active);
    }
  }
  // Runs slices until the forward pass is at least `progress` done.
  void RunTo(double progress) {
    while (step_->Progress() < progress) {
      ASSERT_FALSE(step_->Run(0, [] { return true; }).value());
    }
  }

  LogRing log_{LogLevel::kInfo};
  const std::shared_ptr<ReadySignal> ready_ = std::make_shared<ReadySignal>();
  std::unique_ptr<Resources> resources_;
  std::vector<std::unique_ptr<ActiveStream>> active_;
  std::unique_ptr<Step> step_;
};

StreamOptions Tokens(int64_t max_tokens) {
  StreamOptions options;
  options.max_tokens = max_tokens;
  return options;
}

TEST_F(StepTest, APromptTakesAsManyStepsAsItsChunks) {
  EngineOptions options;
  options.step_tokens = 8;
  Load(options);
  const ActiveStream& active = Add(std::vector<int32_t>(20, 7), Tokens(1));
  for (const int64_t cached : {8, 16, 20}) {
    ASSERT_TRUE(Plan());
    Finish();
    EXPECT_EQ(active.session->sequence.num_tokens(), cached);
  }
  EXPECT_EQ(active.session->tokens.size(), 21u);
  EXPECT_EQ(active.stream->Info().finish_reason, FinishReason::kMaxTokens);
}

TEST_F(StepTest, NothingChangesBeforeTheCommit) {
  Load({});
  const ActiveStream& active = Add({1, 5, 9}, {});
  ASSERT_TRUE(Plan());
  ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
  EXPECT_EQ(active.session->sequence.num_tokens(), 0);
  EXPECT_EQ(active.session->tokens.size(), 3u);
  step_->Abandon();
  EXPECT_FALSE(step_->in_flight());
  EXPECT_EQ(resources_->paged->pool().num_free(), resources_->paged->pool().num_blocks());
  ASSERT_TRUE(Plan());
  Finish();
  EXPECT_EQ(active.session->tokens.size(), 4u);
}

TEST_F(StepTest, AStepStopsBetweenSlicesAndGoesOn) {
  Load({});
  const ActiveStream& active = Add({1, 5, 9}, {});
  ASSERT_TRUE(Plan());
  int slices = 0;
  while (!step_->Run(0, [] { return true; }).value()) ++slices;
  EXPECT_GT(slices, 20);
  step_->Commit();
  EXPECT_EQ(active.stream->generated(), 1);
}

TEST_F(StepTest, AStreamCancelledAfterItsRowsWereRunEndsAtTheCommit) {
  Load({});
  const ActiveStream& active = Add({1, 5, 9}, {});
  ASSERT_TRUE(Plan());
  ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
  active.stream->Cancel();
  step_->Commit();
  EXPECT_EQ(active.session->tokens.size(), 3u);
  EXPECT_EQ(active.stream->Info().finish_reason, FinishReason::kCancelled);
}

TEST_F(StepTest, CancelledStreamsLeaveTheStepAndTheirNeighboursKeepTheirTokens) {
  Load({});
  std::vector<std::vector<int32_t>> expected;
  // Who leaves: nobody, then the first, the middle one, the last, the first and the last.
  for (const std::vector<size_t>& leaving :
       {std::vector<size_t>{}, {0}, {1}, {2}, std::vector<size_t>{0, 2}}) {
    for (const double progress : {0.0, 0.5, 1.0}) {
      const ActiveStream* streams[] = {&Add(std::vector<int32_t>(21, 7), Tokens(1)),
                                       &Add({1, 2, 3}, Tokens(1)),
                                       &Add(std::vector<int32_t>(18, 9), Tokens(1))};
      ASSERT_TRUE(Plan());
      if (progress == 1.0) {
        ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
      } else {
        RunTo(progress);
      }
      for (const size_t i : leaving) streams[i]->stream->Cancel();
      step_->DropCancelled();
      for (const size_t i : leaving) {
        EXPECT_EQ(streams[i]->stream->Info().finish_reason, FinishReason::kCancelled);
        EXPECT_TRUE(streams[i]->session->sequence.blocks().empty());
      }
      Finish();
      if (leaving.empty()) {
        expected.clear();
        for (const ActiveStream* stream : streams) expected.push_back(stream->session->tokens);
      }
      for (size_t i = 0; i < 3; ++i) {
        if (!streams[i]->stream->cancelled()) {
          EXPECT_EQ(streams[i]->session->tokens, expected[i]);
        }
        resources_->paged->Clear(streams[i]->session->sequence);
      }
      active_.clear();
      EXPECT_EQ(resources_->paged->pool().num_free(), resources_->paged->pool().num_blocks());
    }
  }
}

TEST_F(StepTest, AStepThatEverybodyLeftIsOver) {
  Load({});
  const ActiveStream& active = Add({1, 5, 9}, {});
  ASSERT_TRUE(Plan());
  RunTo(0.5);
  active.stream->Cancel();
  step_->DropCancelled();
  EXPECT_FALSE(step_->in_flight());
}

TEST_F(StepTest, APromptThatGivesRowsUpComputesThemLaterWithTheSameTokens) {
  Load({});
  const ActiveStream& whole = Add(std::vector<int32_t>(40, 7), Tokens(3));
  while (!whole.stream->finished()) {
    ASSERT_TRUE(Plan());
    Finish();
  }
  const ActiveStream& trimmed = Add(std::vector<int32_t>(40, 7), Tokens(3));
  ASSERT_TRUE(Plan());
  EXPECT_EQ(step_->prompt_rows(), 40);
  RunTo(0.5);
  step_->TrimPrompts(16);
  Finish();
  EXPECT_EQ(trimmed.session->sequence.num_tokens(), 16);
  EXPECT_EQ(trimmed.session->sequence.blocks().size(), 1u);
  while (!trimmed.stream->finished()) {
    ASSERT_TRUE(Plan());
    Finish();
  }
  EXPECT_EQ(trimmed.session->tokens, whole.session->tokens);
}

TEST_F(StepTest, AForkWritesIntoACopyOfTheBlockItShares) {
  Load({});
  const ActiveStream& parent = Add(std::vector<int32_t>(20, 7), Tokens(2));
  while (!parent.stream->finished()) {
    ASSERT_TRUE(Plan());
    Finish();
  }
  auto child = std::make_shared<SessionState>(640);
  child->tokens.assign(parent.session->tokens.begin(), parent.session->tokens.begin() + 18);
  resources_->paged->Fork(parent.session->sequence, 18, child->sequence);
  EXPECT_EQ(child->sequence.blocks()[1], parent.session->sequence.blocks()[1]);
  const ActiveStream& forked = Add({7, 7, parent.session->tokens[20]}, Tokens(1), child);
  while (!forked.stream->finished()) {
    ASSERT_TRUE(Plan());
    Finish();
  }
  EXPECT_NE(child->sequence.blocks()[1], parent.session->sequence.blocks()[1]);
  EXPECT_EQ(child->tokens, parent.session->tokens);
}

TEST_F(StepTest, TheYoungestIsPreemptedAndComesBackWithTheSameTokens) {
  EngineOptions options;
  options.context_length = 64;  // four blocks in all
  Load(options);
  std::vector<std::vector<int32_t>> alone;
  for (const int32_t token : {3, 4}) {
    ActiveStream& one = Add(std::vector<int32_t>(14, token), Tokens(30));
    while (!one.stream->finished()) {
      ASSERT_TRUE(Plan());
      Finish();
    }
    alone.push_back(one.session->tokens);
    resources_->paged->Clear(one.session->sequence);
  }
  ActiveStream* together[] = {&Add(std::vector<int32_t>(14, 3), Tokens(30)),
                              &Add(std::vector<int32_t>(14, 4), Tokens(30))};
  while (!together[1]->stream->finished()) {
    ASSERT_TRUE(Plan());
    Finish();
  }
  EXPECT_EQ(together[0]->preemptions, 0);
  EXPECT_GT(together[1]->preemptions, 0);
  EXPECT_GT(together[1]->tokens_recomputed, 0);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(together[i]->session->tokens, alone[i]);
}

TEST_F(StepTest, FailEndsEveryStreamOfTheStep) {
  Load({});
  const ActiveStream& active = Add({1}, {});
  ASSERT_TRUE(Plan());
  step_->Fail(absl::InternalError("device"));
  EXPECT_EQ(active.stream->Info().finish_reason, FinishReason::kError);
  EXPECT_FALSE(step_->in_flight());
}

TEST_F(StepTest, PromptLogprobsCoverThePromptWhateverTheChunk) {
  std::vector<float> expected;
  for (const int32_t step_tokens : {64, 3}) {
    EngineOptions options;
    options.step_tokens = step_tokens;
    Load(options);
    StreamOptions stream = Tokens(0);
    stream.prompt_logprobs = true;
    const ActiveStream& active = Add({1, 17, 33, 4, 250, 99, 18}, stream);
    while (!active.stream->finished()) {
      ASSERT_TRUE(Plan());
      Finish();
    }
    std::vector<float> logprobs(8);
    ASSERT_EQ(active.stream->PromptLogprobs(0, absl::MakeSpan(logprobs)).value(), 7);
    EXPECT_EQ(logprobs[0], 0.0f);
    for (int i = 1; i < 7; ++i) EXPECT_LT(logprobs[static_cast<size_t>(i)], 0.0f);
    if (expected.empty()) expected = logprobs;
    EXPECT_EQ(logprobs, expected);
    active_.clear();
  }
}

// What a step takes from the heap is what its streams queue for their hosts, in the commit: a
// failure there ends one stream. Whatever Plan or Run took could end them all.
TEST_F(StepTest, PlanningAndRunningTakeNoMemory) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer has the heap";
  EngineOptions options;
  options.step_tokens = 32;
  options.sessions = 4;
  Load(options);
  for (int32_t i = 0; i < 4; ++i) {
    StreamOptions some = Tokens(100);
    some.sampling.temperature = i % 2 == 0 ? 0.0f : 0.8f;
    some.sampling.top_p = 0.9f;
    some.sampling.repetition_penalty = 1.1f;
    some.prompt_logprobs = i == 3;
    Add(std::vector<int32_t>(static_cast<size_t>(5 + 20 * i), 5 + i), some);
  }
  int64_t committed = 0;
  for (int step = 0; step < 60; ++step) {
    const int64_t before = memory::HeapAllocations();
    ASSERT_TRUE(Plan());
    ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
    ASSERT_EQ(memory::HeapAllocations(), before) << "step " << step;
    step_->Commit();
    committed += memory::HeapAllocations() - before;
  }
  // Of each stream: its text, which doubles, and its tokens, in pieces of 32.
  EXPECT_LE(committed, 4 * 12);
}

TEST_F(StepTest, PreemptingAndDroppingTakeNoMemory) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer has the heap";
  EngineOptions options;
  options.context_length = 64;  // four blocks for three streams that want three each
  options.sessions = 1;
  Load(options);
  for (int32_t i = 0; i < 3; ++i) Add(std::vector<int32_t>(10, 5 + i), Tokens(38));
  const auto unfinished = [&] {
    return std::count_if(active_.begin(), active_.end(),
                         [](const auto& active) { return !active->stream->finished(); });
  };
  for (int step = 0; unfinished() > 0; ++step) {
    const int64_t before = memory::HeapAllocations();
    ASSERT_TRUE(Plan());
    ASSERT_FALSE(step_->Run(0, [] { return true; }).value());
    if (active_[2]->stream->generated() == 20 && active_[2]->in_step) {
      active_[2]->stream->Cancel();
      step_->DropCancelled();
    }
    ASSERT_TRUE(step_->Run(int64_t{1} << 40, [] { return false; }).value());
    ASSERT_EQ(memory::HeapAllocations(), before) << "step " << step;
    Finish();
  }
  EXPECT_GT(resources_->scheduler->num_preemptions(), 0);
  EXPECT_EQ(active_[2]->stream->Info().finish_reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace llmrt::engine
