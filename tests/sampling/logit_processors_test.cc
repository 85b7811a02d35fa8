#include "sampling/logit_processors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace llmrt::sampling {
namespace {

std::vector<float> Penalized(const SamplingParams& params, std::vector<float> logits,
                             std::vector<int32_t> history) {
  TokenCounts counts(static_cast<int32_t>(logits.size()));
  EXPECT_TRUE(ApplyPenalties(params, history, &counts, absl::MakeSpan(logits)).ok());
  return logits;
}

TEST(LogitProcessorsTest, WindowIsTheEndOfTheHistory) {
  const std::vector<int32_t> history = {1, 2, 3, 4, 5};
  EXPECT_EQ(PenaltyWindow(history, 0).size(), 0u);
  EXPECT_EQ(PenaltyWindow(history, 2).said, absl::MakeConstSpan(history).last(2));
  EXPECT_EQ(PenaltyWindow(history, 4).said.front(), 2);
  EXPECT_EQ(PenaltyWindow(history, 5).size(), 5u);
  EXPECT_EQ(PenaltyWindow(history, 6).size(), 5u);
  EXPECT_EQ(PenaltyWindow(history, -1).size(), 5u);
  EXPECT_EQ(PenaltyWindow({}, 64).size(), 0u);
}

TEST(LogitProcessorsTest, DraftsStandBehindWhatWasSaid) {
  const std::vector<int32_t> said = {1, 2, 3}, drafted = {2, 4};
  const History history(said, drafted);
  for (int32_t window = -1; window <= 6; ++window) {
    SCOPED_TRACE(window);
    const std::vector<int32_t> whole = {1, 2, 3, 2, 4};
    const History expected = PenaltyWindow(whole, window);
    const History got = PenaltyWindow(history, window);
    std::vector<int32_t> joined(got.said.begin(), got.said.end());
    joined.insert(joined.end(), got.drafted.begin(), got.drafted.end());
    EXPECT_EQ(absl::MakeConstSpan(joined), expected.said);
    // And so the penalties are the same.
    SamplingParams params;
    params.penalty_window = window;
    params.repetition_penalty = 1.5f;
    params.frequency_penalty = 0.25f;
    TokenCounts counts(8);
    std::vector<float> one(8, 1.0f), other(8, 1.0f);
    ASSERT_TRUE(ApplyPenalties(params, whole, &counts, absl::MakeSpan(one)).ok());
    ASSERT_TRUE(ApplyPenalties(params, history, &counts, absl::MakeSpan(other)).ok());
    EXPECT_EQ(one, other);
  }
}

TEST(LogitProcessorsTest, RepetitionMovesLogitsDownOnBothSidesOfZero) {
  SamplingParams params;
  params.repetition_penalty = 2.0f;
  EXPECT_EQ(Penalized(params, {3.0f, -3.0f, 0.0f, 5.0f}, {0, 1, 2, 0, 0}),
            (std::vector<float>{1.5f, -6.0f, 0.0f, 5.0f}));
}

TEST(LogitProcessorsTest, PresenceCountsOnceAndFrequencyEachTime) {
  SamplingParams params;
  params.presence_penalty = 1.0f;
  params.frequency_penalty = 0.25f;
  EXPECT_EQ(Penalized(params, {0.0f, 0.0f, 0.0f}, {1, 1, 1, 2}),
            (std::vector<float>{0.0f, -1.75f, -1.25f}));
}

TEST(LogitProcessorsTest, TokenThatLeavesTheWindowIsNoLongerPenalized) {
  SamplingParams params;
  params.presence_penalty = 1.0f;
  params.penalty_window = 3;
  EXPECT_EQ(Penalized(params, {0.0f, 0.0f, 0.0f}, {0, 1, 2, 2})[0], 0.0f);
  EXPECT_EQ(Penalized(params, {0.0f, 0.0f, 0.0f}, {0, 2, 2})[0], -1.0f);
}

TEST(LogitProcessorsTest, MinusInfinityStaysThrough) {
  SamplingParams params;
  params.repetition_penalty = 1.5f;
  params.frequency_penalty = -2.0f;
  EXPECT_EQ(Penalized(params, {-INFINITY, 1.0f}, {0})[0], -INFINITY);
}

TEST(LogitProcessorsTest, HistoryOutsideTheVocabularyIsAnError) {
  TokenCounts counts(4);
  EXPECT_EQ(counts.Count(std::vector<int32_t>{1, 4}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(counts.Count(std::vector<int32_t>{-1}).code(), absl::StatusCode::kInvalidArgument);
  // A failed count leaves nothing behind.
  ASSERT_TRUE(counts.Count(std::vector<int32_t>{2}).ok());
  EXPECT_EQ(counts.count(1), 0);
  EXPECT_EQ(counts.tokens().size(), 1u);
}

TEST(LogitProcessorsTest, CountsAreFreshEachTime) {
  TokenCounts counts(3);
  ASSERT_TRUE(counts.Count(std::vector<int32_t>{2, 0, 2}).ok());
  EXPECT_EQ(counts.count(2), 2);
  ASSERT_TRUE(counts.Count(std::vector<int32_t>{0}).ok());
  EXPECT_EQ(counts.count(2), 0);
  EXPECT_EQ(counts.count(0), 1);
}

TEST(LogitProcessorsTest, BiasAddsAndForbids) {
  SamplingParams params;
  params.logit_bias = {{0, 2.0f}, {2, -INFINITY}, {0, 1.0f}};
  std::vector<float> logits = {1.0f, 1.0f, 1.0f};
  ApplyBias(params, absl::MakeSpan(logits));
  EXPECT_EQ(logits, (std::vector<float>{4.0f, 1.0f, -INFINITY}));
}

TEST(LogitProcessorsTest, MaskForbidsExactlyTheClearBits) {
  std::vector<float> logits(70, 1.0f);
  const std::vector<int32_t> mask = {static_cast<int32_t>(0x80000001u), 0, 1 << 5};
  SamplingParams params;
  params.token_mask = mask;
  ApplyMask(params, absl::MakeSpan(logits));
  for (size_t t = 0; t < logits.size(); ++t) {
    const bool allowed = t == 0 || t == 31 || t == 69;
    EXPECT_EQ(logits[t], allowed ? 1.0f : -INFINITY) << t;
  }
}

}  // namespace
}  // namespace llmrt::sampling
