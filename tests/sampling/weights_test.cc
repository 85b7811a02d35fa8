#include "sampling/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "numerics/exp_weight.h"

namespace llmrt::sampling {
namespace {

TEST(WeightsTest, EqualTheFunctionForOneLogitWhateverTheInstructionSet) {
  // This file is compiled without FMA, so the function here is the portable one.
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 8.0f);
  std::vector<float> logits(100001);
  std::vector<Candidate> candidates;
  for (float& l : logits) l = normal(random);
  logits[77] = -INFINITY;
  const float max = *std::max_element(logits.begin(), logits.end());
  uint64_t sum = 0;
  for (float l : logits) {
    candidates.push_back({l, static_cast<int32_t>(candidates.size()), 0});
    sum += numerics::ExpWeight40(l - max);
  }
  EXPECT_EQ(SumWeights(max, logits), sum);
  EXPECT_EQ(FillWeights(max, absl::MakeSpan(candidates)), sum);
  for (size_t i = 0; i < logits.size(); ++i) {
    ASSERT_EQ(candidates[i].weight, numerics::ExpWeight40(logits[i] - max));
  }
}

TEST(WeightsTest, SumDoesNotDependOnTheOrder) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0.0f, 5.0f);
  std::vector<float> logits(5000);
  for (float& l : logits) l = normal(random);
  const uint64_t sum = SumWeights(20.0f, logits);
  std::shuffle(logits.begin(), logits.end(), random);
  EXPECT_EQ(SumWeights(20.0f, logits), sum);
}

TEST(WeightsTest, MoreLikelyBreaksTiesByTheLowerId) {
  EXPECT_TRUE(MoreLikely({2.0f, 9, 0}, {1.0f, 1, 0}));
  EXPECT_TRUE(MoreLikely({1.0f, 1, 0}, {1.0f, 2, 0}));
  EXPECT_FALSE(MoreLikely({1.0f, 2, 0}, {1.0f, 1, 0}));
  EXPECT_FALSE(MoreLikely({1.0f, 1, 0}, {1.0f, 1, 0}));
  EXPECT_FALSE(MoreLikely({0.0f, 2, 0}, {-0.0f, 1, 0}));  // zeros of both signs are equal
}

}  // namespace
}  // namespace llmrt::sampling
