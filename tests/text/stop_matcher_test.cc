#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/test_seed.h"
#include "tests/text/small_tokenizers.h"

namespace llmrt::text {
namespace {

StopMatcher Create(std::vector<std::string> stop_strings) {
  absl::StatusOr<StopMatcher> matcher = StopMatcher::Create(std::move(stop_strings));
  EXPECT_TRUE(matcher.ok()) << matcher.status();
  return *std::move(matcher);
}

TEST(StopMatcherTest, WithoutStopStringsEverythingPasses) {
  StopMatcher matcher;
  EXPECT_EQ(matcher.Feed("any text").text, "any text");
  EXPECT_EQ(matcher.held_bytes(), 0);
  EXPECT_EQ(matcher.Flush(), "");
  EXPECT_EQ(Create({}).Feed("any text").text, "any text");
}

TEST(StopMatcherTest, AnEmptyStopStringIsRefused) {
  const absl::Status status = StopMatcher::Create({"stop", ""}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "stop string 1 is empty; leave it out to generate without it");
}

TEST(StopMatcherTest, TextBeforeTheMatchIsReleasedAndTheMatchIsNot) {
  StopMatcher matcher = Create({"\nUser:"});
  const StopMatcher::Output out = matcher.Feed("Hello\nUser: more");
  EXPECT_EQ(out.text, "Hello");
  EXPECT_TRUE(out.matched);
  EXPECT_EQ(out.stop_index, 0);
  EXPECT_TRUE(matcher.matched());
}

TEST(StopMatcherTest, NothingIsReleasedAfterAMatch) {
  StopMatcher matcher = Create({"ab"});
  EXPECT_TRUE(matcher.Feed("xab").matched);
  const StopMatcher::Output later = matcher.Feed("more ab");
  EXPECT_EQ(later.text, "");
  EXPECT_TRUE(later.matched);
  EXPECT_EQ(later.stop_index, 0);
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcherTest, APossibleBeginningIsHeldBackUntilItIsDecided) {
  StopMatcher matcher = Create({"</s>"});
  EXPECT_EQ(matcher.Feed("a<").text, "a");
  EXPECT_EQ(matcher.held_bytes(), 1);
  EXPECT_EQ(matcher.Feed("/s").text, "");
  EXPECT_EQ(matcher.held_bytes(), 3);
  EXPECT_EQ(matcher.Feed("x").text, "</sx");
  EXPECT_EQ(matcher.Feed("</").text, "");
  EXPECT_EQ(matcher.Flush(), "</");
  EXPECT_EQ(matcher.held_bytes(), 0);
}

TEST(StopMatcherTest, AMatchAcrossPiecesIsFound) {
  StopMatcher matcher = Create({"stop"});
  EXPECT_EQ(matcher.Feed("don't s").text, "don't ");
  EXPECT_EQ(matcher.Feed("to").text, "");
  const StopMatcher::Output out = matcher.Feed("p!");
  EXPECT_TRUE(out.matched);
  EXPECT_EQ(out.text, "");
}

TEST(StopMatcherTest, AFailedBeginningMayHoldAnother) {
  StopMatcher matcher = Create({"aab"});
  EXPECT_EQ(matcher.Feed("aa").text, "");
  EXPECT_EQ(matcher.Feed("a").text, "a");  // "aa" is still a beginning
  const StopMatcher::Output out = matcher.Feed("b");
  EXPECT_TRUE(out.matched);
  EXPECT_EQ(out.text, "");
}

TEST(StopMatcherTest, TheMatchThatEndsFirstWins) {
  StopMatcher matcher = Create({"abcd", "bc"});
  const StopMatcher::Output out = matcher.Feed("xabcd");
  EXPECT_EQ(out.stop_index, 1);
  EXPECT_EQ(out.text, "xa");
}

TEST(StopMatcherTest, OfMatchesThatEndTogetherTheLongestWins) {
  StopMatcher matcher = Create({"c", "abc", "bc"});
  const StopMatcher::Output out = matcher.Feed("xabc");
  EXPECT_EQ(out.stop_index, 1);
  EXPECT_EQ(out.text, "x");
}

TEST(StopMatcherTest, FlushMakesTheMatcherNew) {
  StopMatcher matcher = Create({"ab"});
  EXPECT_TRUE(matcher.Feed("ab").matched);
  matcher.Flush();
  EXPECT_FALSE(matcher.matched());
  EXPECT_EQ(matcher.Feed("a").text, "");
  matcher.Flush();
  EXPECT_FALSE(matcher.Feed("b").matched);
}

TEST(StopMatcherTest, AnyBytesCanBeAStopString) {
  using namespace std::string_literals;
  StopMatcher matcher = Create({"\0\xFF"s});
  const StopMatcher::Output out = matcher.Feed("a\0\0\xFFz"s);
  EXPECT_TRUE(out.matched);
  EXPECT_EQ(out.text, "a\0"s);
}

// What the whole text gives, by looking at every end and every stop string.
struct Expected {
  std::string text;
  int32_t stop_index = -1;
};

Expected Search(std::string_view text, const std::vector<std::string>& stop_strings) {
  for (size_t end = 1; end <= text.size(); ++end) {
    int32_t found = -1;
    for (size_t i = 0; i < stop_strings.size(); ++i) {
      const std::string& stop = stop_strings[i];
      if (stop.size() > end || text.substr(end - stop.size(), stop.size()) != stop) continue;
      if (found < 0 || stop.size() > stop_strings[found].size()) found = static_cast<int32_t>(i);
    }
    if (found >= 0) return {std::string(text.substr(0, end - stop_strings[found].size())), found};
  }
  return {std::string(text), -1};
}

std::string RandomLetters(std::mt19937* random, size_t length_max) {
  std::string text;
  const size_t length = (*random)() % (length_max + 1);
  for (size_t i = 0; i < length; ++i) text.push_back("ab"[(*random)() % 2]);
  return text;
}

TEST(StopMatcherTest, RandomTextsAgreeWithPlainSearchHoweverTheyAreCut) {
  std::mt19937 random(testing::TestSeed());
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stop_strings(1 + random() % 4);
    size_t longest = 0;
    for (std::string& stop : stop_strings) {
      stop = "a" + RandomLetters(&random, 5);
      longest = std::max(longest, stop.size());
    }
    const std::string text = RandomLetters(&random, 24);
    const Expected expected = Search(text, stop_strings);

    StopMatcher matcher = Create(stop_strings);
    std::string released;
    for (size_t pos = 0; pos < text.size();) {
      const size_t size = 1 + random() % 4;
      released += matcher.Feed(std::string_view(text).substr(pos, size)).text;
      pos += size;
      ASSERT_LT(matcher.held_bytes(), static_cast<int64_t>(longest));
      // Released text never has to be taken back.
      ASSERT_EQ(expected.text.substr(0, released.size()), released);
    }
    EXPECT_EQ(matcher.matched(), expected.stop_index >= 0);
    if (expected.stop_index >= 0) {
      EXPECT_EQ(matcher.Feed("").stop_index, expected.stop_index);
    }
    ASSERT_EQ(released + matcher.Flush(), expected.text) << text;
  }
}

TEST(StopMatcherTest, ALongRepetitiveStopStringStaysLinear) {
  std::string stop(100000, 'a');
  stop += 'b';
  StopMatcher matcher = Create({stop});
  std::string released;
  for (int i = 0; i < 100; ++i) released += matcher.Feed(std::string(10000, 'a')).text;
  EXPECT_EQ(released.size(), 900000u);
  EXPECT_TRUE(matcher.Feed("b").matched);
}

}  // namespace
}  // namespace llmrt::text
