#include "speculation/host_drafter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <vector>

namespace llmrt::speculation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A host's drafter that does what a test says.
using Host = std::function<int64_t(absl::Span<const int32_t> history, absl::Span<int32_t> tokens)>;

int64_t Call(void* user, const int32_t* history, int64_t num_history, int32_t* tokens,
             int64_t capacity) {
  return (*static_cast<Host*>(user))({history, static_cast<size_t>(num_history)},
                                     {tokens, static_cast<size_t>(capacity)});
}

class HostDrafterTest : public ::testing::Test {
 protected:
  static constexpr int32_t kVocab = 50;

  DraftTask Draft(Host host, int64_t granted = 4) {
    stream_.host = {.propose = Call, .user = &host};
    DraftTask task = {.stream = &stream_, .history = history_, .granted = granted};
    DraftTask* const tasks[] = {&task};
    EXPECT_TRUE(drafter_.Draft(tasks, [] { return true; }).value());
    return task;
  }

  const std::vector<int32_t> history_ = {3, 1, 4};
  HostDrafter drafter_{kVocab};
  StreamDrafts stream_;
};

TEST_F(HostDrafterTest, OffersWhereTheHostHasADrafter) {
  EXPECT_EQ(drafter_.MakeOffer(stream_, history_).acceptance, nullptr);
  Host host = [](auto, auto) { return 0; };
  stream_.host = {.propose = Call, .user = &host};
  EXPECT_EQ(drafter_.MakeOffer(stream_, history_).acceptance, &stream_.of_host);
}

TEST_F(HostDrafterTest, TheHostSeesTheTokensAndProposes) {
  const DraftTask task = Draft([&](auto history, auto tokens) {
    EXPECT_THAT(history, ElementsAre(3, 1, 4));
    EXPECT_EQ(tokens.size(), 4u);
    tokens[0] = 0;
    tokens[1] = kVocab - 1;
    return 2;
  });
  EXPECT_EQ(task.failure, DraftFailure::kNone);
  EXPECT_EQ(task.drafted, 2);
  EXPECT_EQ(task.tokens[1], kVocab - 1);
  EXPECT_NE(stream_.host.propose, nullptr);
  EXPECT_GT(stream_.host_us_a_token, 0);
}

TEST_F(HostDrafterTest, NoIdeaIsNoFailure) {
  const DraftTask task = Draft([](auto, auto) { return 0; });
  EXPECT_EQ(task.failure, DraftFailure::kNone);
  EXPECT_EQ(task.drafted, 0);
  EXPECT_NE(stream_.host.propose, nullptr);
}

TEST_F(HostDrafterTest, WhoFailsIsDroppedAndTheTaskSaysWhy) {
  struct {
    Host host;
    const char* why;
  } const cases[] = {
      {[](auto, auto) { return -7; }, "-7"},
      {[](auto, auto) { return 5; }, "capacity is 4"},
      {[](auto, auto tokens) { return tokens[0] = kVocab, 1; }, "ids are 0 to 49"},
      {[](auto, auto tokens) { return tokens[0] = 1, tokens[1] = -1, 2; }, "proposed -1"},
      {[](auto, auto) -> int64_t { throw std::runtime_error("no"); }, "exception"},
  };
  for (const auto& [host, why] : cases) {
    SCOPED_TRACE(why);
    const DraftTask task = Draft(host);
    EXPECT_THAT(drafter_.Describe(task), HasSubstr(why));
    EXPECT_EQ(task.drafted, 0);
    EXPECT_EQ(stream_.host.propose, nullptr);
    EXPECT_EQ(drafter_.MakeOffer(stream_, history_).acceptance, nullptr);
  }
}

TEST_F(HostDrafterTest, NewStreamsAreTakenToBeLikeThoseBefore) {
  for (int i = 0; i < 20; ++i) drafter_.Learn(stream_, 4, 4);
  StreamDrafts next;
  drafter_.Welcome(next);
  EXPECT_GT(next.of_host.Survival(4), 0.5);
}

}  // namespace
}  // namespace llmrt::speculation
