#include "sampling/gumbel_draw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "numerics/noise.h"

namespace llmrt::sampling {
namespace {

// Every token's score, no bounds.
int32_t SlowDraw(const NoiseKey& key, const std::vector<float>& logits, float temperature) {
  int32_t best = -1;
  float best_score = 0;
  for (size_t t = 0; t < logits.size(); ++t) {
    const float logit = logits[t] / temperature;
    if (logit == -INFINITY) continue;
    const float score = numerics::GumbelScore(logit, key.seed, key.position,
                                              static_cast<int32_t>(t), key.sample_index);
    if (best < 0 || score > best_score) {
      best = static_cast<int32_t>(t);
      best_score = score;
    }
  }
  return best;
}

int32_t Argmax(const std::vector<float>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST(GumbelDrawTest, BoundsNeverChangeTheWinner) {
  std::mt19937 random(21);
  std::normal_distribution<float> normal;
  for (int trial = 0; trial < 3000; ++trial) {
    std::vector<float> logits(1 + random() % 400);
    const float spread = std::ldexp(1.0f, static_cast<int>(random() % 16) - 4);
    const float offset = std::ldexp(normal(random), static_cast<int>(random() % 24));
    for (float& l : logits) l = random() % 20 == 0 ? -INFINITY : normal(random) * spread + offset;
    logits[random() % logits.size()] = offset;
    const float temperature = trial % 2 == 0 ? 1.0f : std::exp(normal(random));
    const NoiseKey key = {random(), trial, trial % 3};
    const int32_t expected = SlowDraw(key, logits, temperature);
    ASSERT_EQ(DrawFromAll(key, logits, temperature, Argmax(logits)), expected) << trial;
    std::vector<Candidate> candidates;
    for (size_t t = 0; t < logits.size(); ++t) {
      candidates.push_back({logits[t] / temperature, static_cast<int32_t>(t), 0});
    }
    std::shuffle(candidates.begin(), candidates.end(), random);
    ASSERT_EQ(DrawFromCandidates(key, candidates), expected) << trial;
  }
}

TEST(GumbelDrawTest, TiesOfTheScoreGoToTheLowestId) {
  // Logits so large that the noise is rounded away: 2^30 has an ulp of 64.
  const std::vector<float> logits(50, 0x1p30f);
  const NoiseKey key = {3, 4, 0};
  EXPECT_EQ(DrawFromAll(key, logits, 1.0f, 0), 0);
  EXPECT_EQ(DrawFromAll(key, logits, 1.0f, 49), 0);
  std::vector<Candidate> candidates;
  for (int32_t t = 49; t >= 7; --t) candidates.push_back({0x1p30f, t, 0});
  EXPECT_EQ(DrawFromCandidates(key, candidates), 7);
}

TEST(GumbelDrawTest, NoiseBelongsToTheTokenNotToItsRank) {
  // Dropping losers never changes the winner.
  std::mt19937 random(22);
  std::normal_distribution<float> normal;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> logits(100);
    for (float& l : logits) l = normal(random);
    const NoiseKey key = {99, trial, 0};
    const int32_t winner = DrawFromAll(key, logits, 1.0f, Argmax(logits));
    for (size_t t = 0; t < logits.size(); ++t) {
      if (static_cast<int32_t>(t) != winner && random() % 2) logits[t] = -INFINITY;
    }
    ASSERT_EQ(DrawFromAll(key, logits, 1.0f, Argmax(logits)), winner);
  }
}

}  // namespace
}  // namespace llmrt::sampling
