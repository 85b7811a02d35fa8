#include "sampling/log_probs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace llmrt::sampling {
namespace {

using testing::HasSubstr;

double TrueLogSumExp(const std::vector<float>& logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  long double sum = 0;
  for (float l : logits) sum += std::exp(static_cast<long double>(l) - max);
  return static_cast<double>(max + std::log(sum));
}

TEST(LogProbsTest, EqualTheLogSoftmaxWithinTheStatedBound) {
  std::mt19937 random(5);
  for (float spread : {0.01f, 1.0f, 5.0f, 30.0f}) {
    std::normal_distribution<float> normal(3.0f, spread);
    std::vector<float> logits(20000);
    for (float& l : logits) l = normal(random);
    const double truth = TrueLogSumExp(logits);
    // Cut weights: n 2^-40 at most; the result's own rounding: half an ulp.
    const double cut = 20000 * 0x1p-40;
    for (int32_t token : {0, 1, 777, 19999}) {
      const double expected = logits[static_cast<size_t>(token)] - truth;
      EXPECT_NEAR(LogProbOf(logits, token), expected, cut + std::fabs(expected) * 0x1p-24 + 1e-14);
    }
  }
}

TEST(LogProbsTest, DoNotDependOnTheOrderOfTheVocabulary) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  std::vector<float> logits(1000);
  for (float& l : logits) l = normal(random);
  const float max = *std::max_element(logits.begin(), logits.end());
  const double before = LogSumWeights(logits, max);
  std::shuffle(logits.begin(), logits.end(), random);
  EXPECT_EQ(LogSumWeights(logits, max), before);
}

TEST(LogProbsTest, ImpossibleTokenHasMinusInfinity) {
  const std::vector<float> logits = {0.0f, -INFINITY, 0.0f};
  EXPECT_EQ(LogProbOf(logits, 1), -INFINITY);
  EXPECT_NEAR(LogProbOf(logits, 0), std::log(0.5), 1e-7);
}

TEST(LogProbsTest, OnlyTokenHasProbabilityOne) {
  EXPECT_EQ(LogProbOf(std::vector<float>{-123.0f}, 0), 0.0f);
}

TEST(LogProbsTest, TokenOutsideTheVocabularyOrBadLogitsGiveNan) {
  const std::vector<float> logits = {0.0f, 1.0f};
  EXPECT_TRUE(std::isnan(LogProbOf(logits, 2)));
  EXPECT_TRUE(std::isnan(LogProbOf(logits, -1)));
  EXPECT_TRUE(std::isnan(LogProbOf(std::vector<float>{0.0f, NAN}, 0)));
}

TEST(LogProbsTest, LargestTakesTheLowestIdOfATie) {
  const auto largest = FindLargest(std::vector<float>{1.0f, 4.0f, 2.0f, 4.0f});
  ASSERT_TRUE(largest.ok());
  EXPECT_EQ(largest->token, 1);
  EXPECT_EQ(largest->logit, 4.0f);
}

// Long enough for several parts, and a rest that fills no vector.
TEST(LogProbsTest, LargestAndBadLogitsAreFoundWhereverTheyAre) {
  for (const size_t size : {1u, 15u, 16u, 33u, 1024u, 1041u, 2100u}) {
    for (size_t place = 0; place < size; ++place) {
      std::vector<float> logits(size, -INFINITY);
      for (size_t token = 0; token < place; token += 3) logits[token] = -1.0f;
      logits[place] = 2.0f;
      logits.back() = 2.0f;  // a tie, or the place itself
      const auto largest = FindLargest(logits);
      ASSERT_TRUE(largest.ok());
      ASSERT_EQ(largest->token, static_cast<int32_t>(place)) << size;
      ASSERT_EQ(largest->logit, 2.0f) << size;
      for (const float bad : {NAN, INFINITY}) {
        logits[place] = bad;
        ASSERT_THAT(std::string(FindLargest(logits).status().message()),
                    HasSubstr(absl::StrCat("logit of token ", place, " is ")));
      }
    }
  }
}

TEST(LogProbsTest, OfZerosTheFirstIsTheLargestWithItsSign) {
  for (const float first : {0.0f, -0.0f}) {
    for (const size_t size : {2u, 40u, 1500u}) {
      std::vector<float> logits(size, -1.0f);
      logits.front() = first;
      logits.back() = -first;
      const auto largest = FindLargest(logits);
      ASSERT_TRUE(largest.ok());
      EXPECT_EQ(largest->token, 0) << size;
      EXPECT_EQ(std::signbit(largest->logit), std::signbit(first)) << size;
    }
  }
}

TEST(LogProbsTest, BadLogitsAreNamed) {
  const auto nan = FindLargest(std::vector<float>{1.0f, 2.0f, NAN, 9.0f});
  EXPECT_EQ(nan.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(nan.status().message()), HasSubstr("logit of token 2 is NaN"));
  const auto inf = FindLargest(std::vector<float>{1.0f, INFINITY});
  EXPECT_EQ(inf.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(inf.status().message()), HasSubstr("logit of token 1 is +inf"));
  const auto none = FindLargest(std::vector<float>(7, -INFINITY));
  EXPECT_EQ(none.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("all 7 logits are -inf"));
}

TEST(LogProbsTest, TopAreOrderedByLogitThenId) {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, 3.0f, -INFINITY, 2.0f};
  std::vector<TokenLogprob> top;
  TopLogprobs(logits, 3.0f, LogSumWeights(logits, 3.0f), 4, &top);
  ASSERT_EQ(top.size(), 4u);
  const int32_t expected[4] = {1, 3, 2, 5};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(top[i].token, expected[i]);
    EXPECT_EQ(top[i].logprob, LogProbOf(logits, top[i].token));
  }
  TopLogprobs(logits, 3.0f, 0.0, 20, &top);
  EXPECT_EQ(top.size(), 6u);
  EXPECT_EQ(top.back().logprob, -INFINITY);
  TopLogprobs(logits, 3.0f, 0.0, 0, &top);
  EXPECT_TRUE(top.empty());
}

TEST(LogProbsTest, TopOfRandomLogitsEqualsACompleteSort) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<float> logits(30 + random() % 500);
    for (float& l : logits) l = trial % 2 == 0 ? normal(random) : std::round(normal(random) * 2);
    std::vector<int32_t> order(logits.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    std::vector<TokenLogprob> top;
    TopLogprobs(logits, 0.0f, 0.0, 20, &top);
    for (size_t i = 0; i < 20; ++i) ASSERT_EQ(top[i].token, order[i]);
  }
}

}  // namespace
}  // namespace llmrt::sampling
