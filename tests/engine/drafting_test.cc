#include "engine/drafting.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/resources.h"
#include "engine/step.h"
#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

using llmrt::testing::Generation;

// What a stream will say, and how its drafter makes use of that.
struct Oracle {
  std::vector<int32_t> answer;
  int64_t begin = 0;        // tokens before it
  int64_t wrong_at = -1;    // index of one that it has wrong
  int64_t ideas_max = 100;  // tokens that it proposes at most
  int64_t fails_at_call = -1;
  int64_t calls = 0;

  static int64_t Propose(void* user, const int32_t* /*history*/, int64_t num_history,
                         int32_t* tokens, int64_t capacity) {
    Oracle& self = *static_cast<Oracle*>(user);
    if (self.calls++ == self.fails_at_call) return -1;
    int64_t count = 0;
    for (; count < std::min(capacity, self.ideas_max); ++count) {
      const int64_t place = num_history - self.begin + count;
      if (place >= static_cast<int64_t>(self.answer.size())) break;
      tokens[count] = self.answer[static_cast<size_t>(place)] + (place == self.wrong_at ? 1 : 0);
    }
    return count;
  }
};

const std::vector<int32_t> kPrompt = {1, 5, 9, 2};

EngineOptions Options() {
  EngineOptions options;
  options.threads = 1;
  options.pumped = true;
  options.draft_max = 8;
  options.free_drafts = true;
  return options;
}

StreamOptions Say(int64_t tokens) {
  StreamOptions options;
  options.max_tokens = tokens;
  options.ignore_eos = true;
  options.sampling.logprobs = true;
  return options;
}

class DraftingTest : public ::testing::Test {
 protected:
  void Open(const EngineOptions& options) {
    engine_ = llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), options);
    expected_ = llmrt::testing::Generate(engine_, kPrompt, Say(20), 1000);
    oracle_ = {.answer = expected_.tokens, .begin = static_cast<int64_t>(kPrompt.size())};
  }

  StreamInfo Run(StreamOptions options) {
    options.drafter = {.propose = Oracle::Propose, .user = &oracle_};
    const auto session = engine_->CreateSession({}).value();
    EXPECT_TRUE(session->AppendTokens(kPrompt).ok());
    const auto stream = session->Submit(options).value();
    const Generation got = llmrt::testing::ReadAll(*engine_, *stream, 1000);
    EXPECT_EQ(got.tokens, expected_.tokens);
    EXPECT_EQ(got.logprobs, expected_.logprobs);
    EXPECT_EQ(got.reason, expected_.reason);
    // All of its KV but that of the last token, as without drafts.
    EXPECT_EQ(session->Info()->num_cached, session->Info()->num_tokens - 1);
    return stream->Info();
  }

  std::string Warning() {
    for (auto record = engine_->PollLog(1 << 10); record.ok(); record = engine_->PollLog(1 << 10)) {
      if (record->level == LogLevel::kWarning) return record->text;
    }
    return "";
  }

  std::shared_ptr<Engine> engine_;
  Generation expected_;
  Oracle oracle_;
};

TEST_F(DraftingTest, WhatIsRightIsSaidInFewSteps) {
  Open(Options());
  const StreamInfo info = Run(Say(20));
  // The prompt's step gives one token, then nine a step, and what is left.
  EXPECT_EQ(info.steps, 4);
  EXPECT_EQ(info.drafted, 16);
  EXPECT_EQ(info.accepted, 16);
  EXPECT_EQ(engine_->GetInfo()->totals.accepted, 16);
  EXPECT_EQ(engine_->GetInfo()->totals.drafted, 16);
  EXPECT_GT(engine_->GetInfo()->totals.draft_us, 0);
}

TEST_F(DraftingTest, TheFirstWrongTokenEndsADraft) {
  Open(Options());
  oracle_.wrong_at = 4;
  const StreamInfo info = Run(Say(20));
  // Token 0 from the prompt; 1 to 3 drafted and 4 corrected, 5 to 13, 14 to 19.
  EXPECT_EQ(info.steps, 4);
  EXPECT_EQ(info.drafted, 8 + 8 + 5);
  EXPECT_EQ(info.accepted, 3 + 8 + 5);
}

TEST_F(DraftingTest, FewerIdeasThanGrantedAreFewerRows) {
  Open(Options());
  oracle_.ideas_max = 3;
  const int64_t rows_before = engine_->GetInfo()->totals.rows;
  const StreamInfo info = Run(Say(20));
  EXPECT_EQ(info.accepted, info.drafted);
  EXPECT_EQ(info.steps, 6);  // 1, then 4 a step, then 3
  // Rows that nobody had a token for were not computed.
  EXPECT_EQ(engine_->GetInfo()->totals.rows - rows_before, 4 + 4 * 4 + 3);
}

TEST_F(DraftingTest, AStreamMayDraftLessThanTheEngine) {
  Open(Options());
  StreamOptions options = Say(20);
  options.draft_max = 0;
  EXPECT_EQ(Run(options).drafted, 0);
  EXPECT_EQ(oracle_.calls, 0);
  options.draft_max = 1;
  EXPECT_EQ(Run(options).steps, 11);
  options.draft_max = 100;  // no more than the engine's
  EXPECT_EQ(Run(options).steps, 4);
}

TEST_F(DraftingTest, ADrafterThatFailsIsDroppedWithAWarningAndTheStreamGoesOn) {
  Open(Options());
  oracle_.fails_at_call = 1;
  EXPECT_EQ(Run(Say(20)).drafted, 8);
  EXPECT_EQ(oracle_.calls, 2);
  EXPECT_NE(Warning().find("drafter was dropped: it returned -1"), std::string::npos);
}

TEST_F(DraftingTest, WhoHasNothingLeavesItToTheNextBest) {
  EngineOptions options = Options();
  options.draft_lookup = true;
  Open(options);
  // Forced to repeat itself; the host's drafter never has an idea.
  const std::vector<int32_t> lines = {11, 12, 13, 14, 15, 11, 12, 13, 14, 15,
                                      11, 12, 13, 14, 15, 11, 12, 13, 14, 15};
  StreamOptions say = Say(20);
  say.forced_tokens = lines;
  expected_ = llmrt::testing::Generate(engine_, kPrompt, say, 1000);
  EXPECT_EQ(expected_.tokens, lines);
  oracle_.ideas_max = 0;
  const StreamInfo info = Run(say);
  EXPECT_GT(oracle_.calls, 0);
  EXPECT_GT(info.accepted, 8);
}

TEST_F(DraftingTest, LengthsAreToldStepByStep) {
  Open(Options());
  StreamOptions options = Say(20);
  options.drafter = {.propose = Oracle::Propose, .user = &oracle_};
  const auto session = engine_->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
  const auto stream = session->Submit(options).value();
  llmrt::testing::ReadAll(*engine_, *stream, 1000);
  std::vector<int32_t> lengths(8, -1);
  EXPECT_EQ(stream->DraftLengths(0, absl::MakeSpan(lengths)).value(), 4);
  EXPECT_EQ(lengths, (std::vector<int32_t>{0, 8, 8, 0, -1, -1, -1, -1}));
  EXPECT_EQ(stream->DraftLengths(3, absl::MakeSpan(lengths)).value(), 1);
  EXPECT_EQ(stream->DraftLengths(4, absl::MakeSpan(lengths)).value(), 0);
  EXPECT_EQ(stream->DraftLengths(5, absl::MakeSpan(lengths)).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(DraftingTest, AnEngineWithoutRoomForDraftsRefusesDrafters) {
  EngineOptions options = Options();
  options.draft_max = 0;
  Open(options);
  const auto session = engine_->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
  StreamOptions say = Say(4);
  say.drafter = {.propose = Oracle::Propose, .user = &oracle_};
  const auto refused = session->Submit(say);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.status().message().find("LLMRT_ENGINE_DRAFT_MAX"), std::string::npos);
}

// Cancelled while drafts are made, checked and drawn: whenever it is, nothing of it stays.
TEST_F(DraftingTest, AStreamIsCancelledAtAnyMomentOfAStepWithDrafts) {
  Open(Options());
  for (int slices = 0; slices < 60; ++slices) {
    StreamOptions options = Say(20);
    oracle_.calls = 0;
    options.drafter = {.propose = Oracle::Propose, .user = &oracle_};
    const auto session = engine_->CreateSession({}).value();
    ASSERT_TRUE(session->AppendTokens(kPrompt).ok());
    const auto stream = session->Submit(options).value();
    while (stream->Info().generated_tokens == 0) ASSERT_TRUE(engine_->Step(0).ok());
    for (int i = 0; i < slices; ++i) ASSERT_TRUE(engine_->Step(0).ok());
    stream->Cancel();
    ASSERT_TRUE(engine_->Step(0).ok());
    const Generation got = llmrt::testing::ReadAll(*engine_, *stream, 0);
    ASSERT_LE(got.tokens.size(), expected_.tokens.size());
    ASSERT_TRUE(std::equal(got.tokens.begin(), got.tokens.end(), expected_.tokens.begin()));
    ASSERT_EQ(engine_->GetInfo()->blocks_used, 0);
    // The KV is that of what was said.
    ASSERT_LE(session->Info()->num_cached, session->Info()->num_tokens);
    ASSERT_EQ(session->Info()->num_tokens,
              static_cast<int64_t>(kPrompt.size() + got.tokens.size()));
  }
}

// Four blocks of 16, two streams that come to need three each: drafts give way before streams do.
TEST_F(DraftingTest, PressureShedsDraftsFirst) {
  EngineOptions options = Options();
  options.context_length = 64;
  Open(options);
  ASSERT_EQ(engine_->GetInfo()->blocks_total, 4);
  const auto other = engine_->CreateSession({}).value();
  ASSERT_TRUE(other->AppendTokens(std::vector<int32_t>(30, 3)).ok());
  const auto busy = other->Submit(Say(2)).value();
  const StreamInfo info = Run(Say(20));
  EXPECT_EQ(info.preemptions, 0);
  EXPECT_EQ(busy->Info().preemptions, 0);
  EXPECT_GT(info.accepted, 0);
}

}  // namespace
}  // namespace llmrt::engine
