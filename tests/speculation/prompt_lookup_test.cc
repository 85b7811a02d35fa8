#include "speculation/prompt_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <vector>

#include "memory/counted_heap.h"

namespace llmrt::speculation {
namespace {

using testing::ElementsAre;
using Tokens = std::vector<int32_t>;

PromptLookup IndexOf(const Tokens& tokens, int64_t tokens_max = 64) {
  PromptLookup lookup(tokens_max);
  lookup.Extend(tokens);
  return lookup;
}

Tokens Follow(const Tokens& tokens, const PromptLookup::Match& match, size_t count) {
  Tokens out(count);
  PromptLookup::Continue(tokens, match, absl::MakeSpan(out));
  return out;
}

TEST(PromptLookupTest, FindsWhatFollowedTheLastTokens) {
  const Tokens tokens = {7, 1, 2, 3, 4, 5, 9, 1, 2};
  const PromptLookup::Match match = IndexOf(tokens).Find(tokens);
  EXPECT_EQ(match.length, 2);
  EXPECT_THAT(Follow(tokens, match, 3), ElementsAre(3, 4, 5));
}

TEST(PromptLookupTest, TheLongestAgreementWinsAndOfEqualsTheLatest) {
  const Tokens longest = {8, 1, 2, 30, 1, 2, 40, 8, 1, 2};
  EXPECT_EQ(IndexOf(longest).Find(longest).place, 3);
  const Tokens latest = {1, 2, 30, 5, 1, 2, 40, 6, 1, 2};
  EXPECT_EQ(IndexOf(latest).Find(latest).place, 6);
}

TEST(PromptLookupTest, WhatRepeatsGoesOnRepeating) {
  const Tokens same = {5, 5, 5, 5};
  EXPECT_THAT(Follow(same, IndexOf(same).Find(same), 3), ElementsAre(5, 5, 5));
  const Tokens turns = {9, 1, 2, 3, 1, 2, 3, 1, 2};
  EXPECT_THAT(Follow(turns, IndexOf(turns).Find(turns), 5), ElementsAre(3, 1, 2, 3, 1));
}

TEST(PromptLookupTest, NothingWhereTheEndIsNew) {
  for (const Tokens& tokens : {Tokens{}, Tokens{1}, Tokens{1, 2}, Tokens{1, 2, 3, 2, 1}}) {
    EXPECT_EQ(IndexOf(tokens).Find(tokens).length, 0);
  }
}

// The longest agreement of all places, the latest of equals, up to the longest that counts.
PromptLookup::Match Slowly(const Tokens& tokens) {
  PromptLookup::Match best;
  const auto end = std::ssize(tokens);
  for (int64_t place = end - 1; place >= PromptLookup::kKeyTokens; --place) {
    int64_t length = 0;
    while (length < std::min(place, PromptLookup::kMatchMax) &&
           tokens[static_cast<size_t>(end - 1 - length)] ==
               tokens[static_cast<size_t>(place - 1 - length)]) {
      ++length;
    }
    if (length >= PromptLookup::kKeyTokens && length > best.length) best = {length, place};
  }
  return best;
}

TEST(PromptLookupTest, GrowingAndRewindingAgreesWithASearchOfEverything) {
  std::mt19937 random(1);
  constexpr int64_t kMax = 60;
  int found = 0;
  for (int run = 0; run < 50; ++run) {
    const auto vocabulary = static_cast<uint32_t>(2 + run % 5);
    Tokens tokens;
    PromptLookup lookup(kMax);
    for (int step = 0; step < 100; ++step) {
      if (random() % 5 == 0) {
        tokens.resize(random() % (tokens.size() + 1));
        lookup.Rewind(std::ssize(tokens));
      }
      for (auto grow = random() % 4; grow > 0 && std::ssize(tokens) < kMax; --grow) {
        tokens.push_back(static_cast<int32_t>(random() % vocabulary));
      }
      lookup.Extend(tokens);
      const PromptLookup::Match match = lookup.Find(tokens), expected = Slowly(tokens);
      ASSERT_EQ(match.length, expected.length) << run << " " << step;
      ASSERT_EQ(match.place, expected.place) << run << " " << step;
      found += match.length > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(found, 1000);
}

TEST(PromptLookupTest, ATokenThatRepeatsForPagesStopsTheSearch) {
  Tokens tokens(100000, 4);
  const PromptLookup lookup = IndexOf(tokens, 100000);
  EXPECT_EQ(lookup.Find(tokens).length, PromptLookup::kMatchMax);
}

TEST(PromptLookupTest, TakesOfTheHeapWhatItSays) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  for (const int64_t tokens_max : {1, 64, 5000}) {
    const int64_t before = memory::HeapBytes();
    const PromptLookup lookup(tokens_max);
    EXPECT_EQ(memory::HeapBytes() - before, PromptLookup::HeapBytes(tokens_max)) << tokens_max;
  }
}

}  // namespace
}  // namespace llmrt::speculation
