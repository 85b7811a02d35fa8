#include "engine/active_stream.h"

#include <gtest/gtest.h>

namespace llmrt::engine {
namespace {

std::unique_ptr<ActiveStream> Make(StreamOptions options, const PromptShape& prompt) {
  auto session = std::make_shared<SessionState>(100);
  session->tokens.resize(static_cast<size_t>(prompt.length), 7);
  auto stream = StreamState::Create(std::move(options), prompt, std::make_shared<ReadySignal>(),
                                    /*pumped=*/false)
                    .value();
  return std::make_unique<ActiveStream>(std::move(stream), std::move(session));
}

TEST(ActiveStreamTest, AllTokensOfTheSessionArePendingUntilTheirKvIsThere) {
  const auto active = Make({}, {.length = 5});
  EXPECT_EQ(active->num_tokens, 5);
  EXPECT_EQ(active->pending(), 5);
  EXPECT_EQ(active->logits_from, INT64_MAX);
  active->session->tokens.push_back(1);
  active->UpdateTokens();
  EXPECT_EQ(active->pending(), 6);
}

TEST(ActiveStreamTest, ScoringBeginsAtTheRowBeforeTheFirstNewToken) {
  StreamOptions options;
  options.prompt_logprobs = true;
  EXPECT_EQ(Make(options, {.first_new = 0, .length = 5})->logits_from, 0);
  EXPECT_EQ(Make(options, {.first_new = 3, .length = 5})->logits_from, 2);
}

TEST(ActiveStreamTest, DraftsAreLimitedByWhatThereIsUseAndRoomFor) {
  StreamOptions options;
  options.draft_max = 8;
  EXPECT_EQ(Make(options, {.length = 5, .room = 95})->DraftsMax(), 8);
  EXPECT_EQ(Make(options, {.length = 97, .room = 3})->DraftsMax(), 2);
  EXPECT_EQ(Make(options, {.length = 99, .room = 1})->DraftsMax(), 0);
  options.max_tokens = 4;
  const auto four = Make(options, {.length = 5, .room = 95});
  EXPECT_EQ(four->DraftsMax(), 3);
  four->stream->Push({}, "x");
  EXPECT_EQ(four->DraftsMax(), 2);
  options.max_tokens = -1;
  options.queue_tokens = 3;
  EXPECT_EQ(Make(options, {.length = 5, .room = 95})->DraftsMax(), 2);
  options.draft_max = 0;
  EXPECT_EQ(Make(options, {.length = 5, .room = 95})->DraftsMax(), 0);
}

TEST(ActiveStreamTest, TheHostSeesProgressUntilTheEnd) {
  StreamOptions options;
  options.max_tokens = 1;
  const auto active = Make(options, {.length = 5});
  EXPECT_TRUE(active->WantsToken());
  EXPECT_EQ(active->stream->Info().queue_us, -1);
  active->preemptions = 2;
  active->tokens_recomputed = 9;
  active->TellProgress(Phase::kPrefill);
  EXPECT_GE(active->stream->Info().queue_us, 0);
  EXPECT_EQ(active->stream->Info().preemptions, 2);
  EXPECT_EQ(active->stream->Info().tokens_recomputed, 9);
  active->stream->Push({}, "x");
  EXPECT_FALSE(active->WantsToken());
  active->stream->Finish(FinishReason::kMaxTokens, absl::OkStatus());
  active->TellProgress(Phase::kDecode);
  EXPECT_EQ(active->stream->Info().phase, Phase::kFinished);
}

}  // namespace
}  // namespace llmrt::engine
