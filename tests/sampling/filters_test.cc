#include "sampling/filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/sampling/sampling_oracle.h"

namespace llmrt::sampling {
namespace {

using testing::ElementsAre;

std::vector<int32_t> SortedTokens(absl::Span<const Candidate> candidates) {
  std::vector<int32_t> tokens;
  for (const Candidate& c : candidates) tokens.push_back(c.token);
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

std::vector<int32_t> TopK(const std::vector<float>& logits, int32_t k) {
  std::vector<Candidate> scratch(logits.size());
  const int64_t count = SelectTopK(logits, 1.0f, k, absl::MakeSpan(scratch));
  return SortedTokens(absl::MakeSpan(scratch).first(static_cast<size_t>(count)));
}

TEST(FiltersTest, TopKKeepsTheLargestAndTheLowestIdsOfATie) {
  EXPECT_THAT(TopK({1.0f, 3.0f, 3.0f, 2.0f, 3.0f}, 2), ElementsAre(1, 2));
  EXPECT_THAT(TopK({1.0f, 3.0f, 3.0f, 2.0f, 3.0f}, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(TopK({5.0f, 5.0f, 5.0f}, 1), ElementsAre(0));
}

TEST(FiltersTest, TopKNeverKeepsMinusInfinity) {
  EXPECT_THAT(TopK({-INFINITY, 1.0f, -INFINITY, 0.0f}, 3), ElementsAre(1, 3));
}

TEST(FiltersTest, TopKOverLargeVocabulariesEqualsACompleteSort) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (int trial = 0; trial < 60; ++trial) {
    std::vector<float> logits(2000 + random() % 20000);
    const bool many_ties = trial % 3 == 0, ascending = trial % 3 == 1;
    for (float& l : logits) l = many_ties ? std::round(normal(random) * 2) : normal(random);
    if (ascending) std::sort(logits.begin(), logits.end());  // the worst order for a running bar
    const int32_t k = 1 + static_cast<int32_t>(random() % 1999);
    std::vector<int32_t> order(logits.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    order.resize(static_cast<size_t>(k));
    std::sort(order.begin(), order.end());
    ASSERT_EQ(TopK(logits, k), order) << trial;
  }
}

std::vector<Candidate> WithWeights(const std::vector<uint64_t>& weights) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < weights.size(); ++i) {
    candidates.push_back({-static_cast<float>(i), static_cast<int32_t>(i), weights[i]});
  }
  return candidates;
}

int64_t TopP(float p, const std::vector<uint64_t>& weights) {
  std::vector<Candidate> candidates = WithWeights(weights);
  uint64_t total = 0;
  for (uint64_t w : weights) total += w;
  return KeepTopP(p, total, absl::MakeSpan(candidates));
}

TEST(FiltersTest, TopPIsTheSmallestPrefixThatReachesTheShareExactly) {
  EXPECT_EQ(TopP(0.5f, {50, 30, 20}), 1);  // reached exactly
  EXPECT_EQ(TopP(std::nextafter(0.5f, 1.0f), {50, 30, 20}), 2);
  EXPECT_EQ(TopP(0.75f, {50, 25, 25}), 2);
  EXPECT_EQ(TopP(0.8f, {50, 30, 20}), 3);  // the float 0.8 is a little more than 8/10
  EXPECT_EQ(TopP(0.2f, {20, 80}), 2);      // the float 0.2 is a little more than 2/10
  EXPECT_EQ(TopP(0.125f, {1, 7}), 1);
}

TEST(FiltersTest, TopPKeepsAtLeastOneToken) {
  EXPECT_EQ(TopP(0.0f, {1, 1}), 1);
  EXPECT_EQ(TopP(1e-45f, {1, 1}), 1);
  EXPECT_EQ(TopP(1e-38f, {1, 1}), 1);
  EXPECT_EQ(TopP(1e-30f, {uint64_t{1} << 40, 1}), 1);
}

TEST(FiltersTest, TopPOfHugeTotalsDoesNotOverflow) {
  // 2^23 equal tokens of 2^40: the total is 2^63, the product with p needs 87 bits. Checked with
  // few, heavy tokens.
  const uint64_t heavy = uint64_t{1} << 61;
  EXPECT_EQ(TopP(0.25f, {heavy, heavy, heavy, heavy}), 1);
  EXPECT_EQ(TopP(std::nextafter(0.25f, 1.0f), {heavy, heavy, heavy, heavy}), 2);
  EXPECT_EQ(TopP(std::nextafter(1.0f, 0.0f), {heavy, heavy, heavy, heavy}), 4);
}

TEST(FiltersTest, TopPDoesNotCountWeightlessTokensBehindTheCut) {
  EXPECT_EQ(TopP(std::nextafter(1.0f, 0.0f), {uint64_t{1} << 40, 0, 0}), 1);
}

TEST(FiltersTest, TopPOfShuffledCandidatesEqualsTheSortedPrefix) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<Candidate> candidates(1 + random() % 3000);
    float max = -INFINITY;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const float l = trial % 2 == 0 ? normal(random) : std::round(normal(random));
      candidates[i] = {l, static_cast<int32_t>(i), 0};
      max = std::max(max, l);
    }
    const uint64_t total = FillWeights(max, absl::MakeSpan(candidates));
    std::vector<Candidate> sorted = candidates;
    std::sort(sorted.begin(), sorted.end(), MoreLikely);
    const float p = static_cast<float>(random() % 1000) / 1000.0f;
    uint64_t sum = 0;
    size_t keep = 0;
    do {
      sum += sorted[keep++].weight;
    } while (static_cast<long double>(sum) <
             static_cast<long double>(p) * static_cast<long double>(total));
    std::shuffle(candidates.begin(), candidates.end(), random);
    const int64_t count = KeepTopP(p, total, absl::MakeSpan(candidates));
    ASSERT_EQ(static_cast<size_t>(count), keep);
    ASSERT_EQ(SortedTokens(absl::MakeSpan(candidates).first(keep)),
              SortedTokens(absl::MakeSpan(sorted).first(keep)));
  }
}

TEST(FiltersTest, MinPComparesExactly) {
  const uint64_t one = uint64_t{1} << 40;
  std::vector<Candidate> candidates = WithWeights({one, one / 2, one / 2 - 1, 1, 0});
  EXPECT_EQ(KeepMinP(0.5f, absl::MakeSpan(candidates)), 2);
  candidates = WithWeights({one, one / 2, one / 2 - 1, 1, 0});
  EXPECT_EQ(KeepMinP(1.0f, absl::MakeSpan(candidates)), 1);
  candidates = WithWeights({one, one / 2, one / 2 - 1, 1, 0});
  EXPECT_EQ(KeepMinP(1e-30f, absl::MakeSpan(candidates)), 4);
}

TEST(FiltersTest, ActiveOnlyWhenATokenCouldFall) {
  SamplingParams params;
  EXPECT_FALSE(HasFilters(params, 100));
  params.top_k = 100;
  EXPECT_FALSE(HasFilters(params, 100));
  params.top_k = 99;
  EXPECT_TRUE(HasFilters(params, 100));
  params = SamplingParams();
  params.top_p = 0.99f;
  EXPECT_TRUE(HasFilters(params, 100));
  params = SamplingParams();
  params.min_p = 0.01f;
  EXPECT_TRUE(HasFilters(params, 100));
}

TEST(FiltersTest, CombinedFiltersEqualTheOracle) {
  std::mt19937 random(10);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<float> logits(3 + random() % 3000);
    for (float& l : logits) l = normal(random);
    for (size_t i = 0; i < logits.size() / 10; ++i) logits[random() % logits.size()] = -INFINITY;
    logits[0] = 0.0f;
    SamplingParams params;
    params.temperature = std::exp(normal(random) / 3.0f);
    if (random() % 2) params.top_k = 1 + static_cast<int32_t>(random() % logits.size());
    if (random() % 2) params.top_p = static_cast<float>(random() % 1001) / 1000.0f;
    if (random() % 2) params.min_p = static_cast<float>(random() % 1001) / 5000.0f;
    if (!HasFilters(params, static_cast<int32_t>(logits.size()))) continue;
    std::vector<Candidate> scratch(logits.size());
    const float max = *std::max_element(logits.begin(), logits.end()) / params.temperature;
    const int64_t count = SelectCandidates(params, logits, max, absl::MakeSpan(scratch));
    std::vector<int32_t> expected;
    for (const OracleToken& t : OracleSurvivors(params, logits)) expected.push_back(t.id);
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(SortedTokens(absl::MakeSpan(scratch).first(static_cast<size_t>(count))), expected)
        << trial;
  }
}

}  // namespace
}  // namespace llmrt::sampling
