#include "speculation/lookup_drafter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace llmrt::speculation {
namespace {

using testing::ElementsAre;

class LookupDrafterTest : public ::testing::Test {
 protected:
  std::vector<int32_t> Draft(const std::vector<int32_t>& history, int64_t granted) {
    DraftTask task = {.stream = &stream_, .history = history, .granted = granted};
    DraftTask* const tasks[] = {&task};
    EXPECT_TRUE(drafter_.Draft(tasks, [] { return true; }).value());
    return {task.tokens.begin(), task.tokens.begin() + task.drafted};
  }

  PromptLookup lookup_{100};
  StreamDrafts stream_ = {.lookup = &lookup_};
  LookupDrafter drafter_;
};

TEST_F(LookupDrafterTest, OffersWhatFollowedTheLastTokensBefore) {
  const std::vector<int32_t> history = {1, 2, 3, 4, 5, 9, 1, 2, 3};
  const Offer offer = drafter_.MakeOffer(stream_, history);
  ASSERT_NE(offer.acceptance, nullptr);
  EXPECT_EQ(offer.us_a_token, 0);
  EXPECT_THAT(Draft(history, 3), ElementsAre(4, 5, 9));
}

TEST_F(LookupDrafterTest, HasNothingToOfferWhereNothingRepeatsOrItIsOff) {
  EXPECT_EQ(drafter_.MakeOffer(stream_, std::vector<int32_t>{1, 2, 3, 4}).acceptance, nullptr);
  StreamDrafts off;
  EXPECT_EQ(drafter_.MakeOffer(off, std::vector<int32_t>{1, 2, 1, 2, 1, 2}).acceptance, nullptr);
}

TEST_F(LookupDrafterTest, LongMatchesAreJudgedApartFromShortOnes) {
  const std::vector<int32_t> two = {1, 2, 7, 8, 1, 2};
  const Acceptance* const short_match = drafter_.MakeOffer(stream_, two).acceptance;
  const double before = short_match->Survival(1);
  for (int i = 0; i < 20; ++i) drafter_.Learn(stream_, 4, 0);
  EXPECT_LT(short_match->Survival(1), before / 2);
  PromptLookup other(100);
  stream_.lookup = &other;
  const std::vector<int32_t> nine = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Acceptance* const long_match = drafter_.MakeOffer(stream_, nine).acceptance;
  EXPECT_NE(long_match, short_match);
  EXPECT_EQ(long_match->Survival(1), before);
}

TEST_F(LookupDrafterTest, NewStreamsAreTakenToBeLikeThoseBefore) {
  const std::vector<int32_t> history = {1, 2, 7, 8, 1, 2};
  drafter_.MakeOffer(stream_, history);
  for (int i = 0; i < 20; ++i) drafter_.Learn(stream_, 4, 4);
  StreamDrafts next = {.lookup = &lookup_};
  drafter_.Welcome(next);
  EXPECT_GT(next.by_match[0].Survival(4), 0.5);
  EXPECT_LT(next.by_match[0].Survival(4), stream_.by_match[0].Survival(4));
  // And soon by what they are themselves.
  for (int i = 0; i < 8; ++i) next.by_match[0].Observe(4, 0);
  EXPECT_LT(next.by_match[0].Survival(1), 0.4);
}

// A prompt is read between steps; an offer, made with a lock held, waits for that.
TEST_F(LookupDrafterTest, NothingIsOfferedBeforeALongPromptIsRead) {
  const std::vector<int32_t> prompt(90, 7);
  EXPECT_EQ(drafter_.MakeOffer(stream_, prompt).acceptance, nullptr);
  EXPECT_EQ(lookup_.num_tokens(), 0);
  drafter_.Prepare(stream_, prompt);
  EXPECT_NE(drafter_.MakeOffer(stream_, prompt).acceptance, nullptr);
}

}  // namespace
}  // namespace llmrt::speculation
