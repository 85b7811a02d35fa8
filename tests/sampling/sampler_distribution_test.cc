// Frequencies of 200,000 draws a case against the probabilities by definition, in double: Pearson's
// chi-square.
//
// A correct sampler fails a test at level 1e-6 once in a million seeds; the seeds are fixed, so a
// case passes forever or was wrong. The quantile comes from Wilson and Hilferty: with k degrees of
// freedom, (X/k)^(1/3) is about normal with mean 1 - 2/(9k) and variance 2/(9k); the upper 1e-6
// point of the normal is 4.7534.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "sampling/sampler.h"
#include "tests/sampling/sampling_oracle.h"

namespace llmrt::sampling {
namespace {

constexpr int kDraws = 200000;

double ChiSquareLimit(int degrees) {
  const double v = 2.0 / (9.0 * degrees);
  return degrees * std::pow(1.0 - v + 4.7534 * std::sqrt(v), 3.0);
}

// Probabilities of the survivors by definition: e^(logit / temperature), normalized.
std::vector<double> Expected(const SamplingParams& params, const std::vector<float>& logits,
                             const std::vector<int32_t>& history = {}) {
  std::vector<double> probabilities(logits.size());
  double total = 0;
  for (const OracleToken& t : OracleSurvivors(params, OracleProcess(params, logits, history))) {
    probabilities[static_cast<size_t>(t.id)] = std::exp(static_cast<double>(t.logit));
    total += probabilities[static_cast<size_t>(t.id)];
  }
  for (double& p : probabilities) p /= total;
  return probabilities;
}

enum class Vary { kPosition, kSeed, kSample };

void ExpectFrequencies(SamplingParams params, const std::vector<float>& logits, Vary vary,
                       const std::vector<int32_t>& history = {}) {
  Sampler sampler(static_cast<int32_t>(logits.size()));
  std::vector<int> counts(logits.size());
  Draw draw;
  for (int i = 0; i < kDraws; ++i) {
    if (vary == Vary::kSeed) params.seed = static_cast<uint64_t>(i);
    if (vary == Vary::kSample) params.sample_index = i;
    ASSERT_TRUE(
        sampler.Sample(params, logits, history, vary == Vary::kPosition ? i : 5, &draw).ok());
    ++counts[static_cast<size_t>(draw.token)];
  }
  // Tokens expected fewer than ten times share one cell, as the approximation wants.
  const std::vector<double> expected = Expected(params, logits, history);
  double chi_square = 0, rare_expected = 0;
  int rare_count = 0, cells = 0;
  for (size_t t = 0; t < logits.size(); ++t) {
    const double mean = expected[t] * kDraws;
    if (mean == 0) {
      ASSERT_EQ(counts[t], 0) << "token " << t << " was filtered out and drawn";
    } else if (mean < 10) {
      rare_expected += mean;
      rare_count += counts[t];
    } else {
      chi_square += (counts[t] - mean) * (counts[t] - mean) / mean;
      ++cells;
    }
  }
  if (rare_expected >= 10) {
    chi_square += (rare_count - rare_expected) * (rare_count - rare_expected) / rare_expected;
    ++cells;
  } else {
    EXPECT_LE(rare_count, 45);  // Poisson with mean < 10: P(> 45) < 1e-15
  }
  ASSERT_GE(cells, 2);
  std::printf("chi-square %.1f with %d degrees of freedom, limit %.1f\n", chi_square, cells - 1,
              ChiSquareLimit(cells - 1));
  EXPECT_LT(chi_square, ChiSquareLimit(cells - 1));
}

std::vector<float> NormalLogits(size_t n, float spread, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> logits(n);
  for (float& l : logits) l = normal(random);
  return logits;
}

TEST(SamplerDistributionTest, PlainDrawsFollowTheSoftmaxOverPositions) {
  ExpectFrequencies({.temperature = 1.0f, .seed = 1}, NormalLogits(60, 1.5f, 1), Vary::kPosition);
}

TEST(SamplerDistributionTest, PlainDrawsFollowTheSoftmaxOverSeeds) {
  ExpectFrequencies({.temperature = 1.0f}, NormalLogits(60, 1.5f, 2), Vary::kSeed);
}

TEST(SamplerDistributionTest, PlainDrawsFollowTheSoftmaxOverSampleIndices) {
  ExpectFrequencies({.temperature = 1.0f, .seed = 3}, NormalLogits(60, 1.5f, 3), Vary::kSample);
}

TEST(SamplerDistributionTest, TemperatureSharpensAndFlattens) {
  ExpectFrequencies({.temperature = 0.5f, .seed = 4}, NormalLogits(100, 1.0f, 4), Vary::kPosition);
  ExpectFrequencies({.temperature = 3.0f, .seed = 4}, NormalLogits(100, 1.0f, 4), Vary::kPosition);
}

TEST(SamplerDistributionTest, FlatDistributionOverAThousandTokens) {
  ExpectFrequencies({.temperature = 1.0f, .seed = 5}, std::vector<float>(1000, 2.5f),
                    Vary::kPosition);
}

TEST(SamplerDistributionTest, FiltersRenormalizeAmongSurvivors) {
  const std::vector<float> logits = NormalLogits(200, 2.0f, 6);
  for (const Vary vary : {Vary::kPosition, Vary::kSeed, Vary::kSample}) {
    SCOPED_TRACE(static_cast<int>(vary));
    ExpectFrequencies({.temperature = 1.0f, .top_k = 12, .seed = 6}, logits, vary);
    ExpectFrequencies({.temperature = 1.0f, .top_p = 0.8f, .seed = 7}, logits, vary);
    ExpectFrequencies({.temperature = 1.0f, .min_p = 0.05f, .seed = 8}, logits, vary);
    ExpectFrequencies({.temperature = 1.3f, .top_k = 40, .top_p = 0.9f, .min_p = 0.02f, .seed = 9},
                      logits, vary);
  }
}

TEST(SamplerDistributionTest, BiasShiftsTheOdds) {
  ExpectFrequencies({.temperature = 1.0f, .logit_bias = {{0, 1.0f}, {1, -INFINITY}}, .seed = 10},
                    std::vector<float>(8, 0.0f), Vary::kPosition);
}

// Token 0 lies outside the window, 1 is in it once, 2 three times, 3 never.
TEST(SamplerDistributionTest, PenaltiesLowerTheOddsOfWhatWasSaid) {
  const SamplingParams params = {.temperature = 1.0f,
                                 .repetition_penalty = 1.25f,
                                 .presence_penalty = 0.3f,
                                 .frequency_penalty = 0.2f,
                                 .penalty_window = 4,
                                 .seed = 12};
  const std::vector<int32_t> history = {0, 0, 2, 1, 2, 2};
  const std::vector<float> logits = {1.0f, 1.0f, -1.0f, 0.5f};
  const double odds[] = {std::exp(1.0), std::exp(1.0 / 1.25 - 0.3 - 0.2),
                         std::exp(-1.0 * 1.25 - 0.3 - 3 * 0.2), std::exp(0.5)};
  const std::vector<double> expected = Expected(params, logits, history);
  for (size_t t = 0; t < 4; ++t) {
    EXPECT_NEAR(expected[t], odds[t] / (odds[0] + odds[1] + odds[2] + odds[3]), 1e-6) << t;
  }
  for (const Vary vary : {Vary::kPosition, Vary::kSeed, Vary::kSample}) {
    SCOPED_TRACE(static_cast<int>(vary));
    ExpectFrequencies(params, logits, vary, history);
  }
}

TEST(SamplerDistributionTest, PenaltiesAndFiltersTogether) {
  const std::vector<float> logits = NormalLogits(200, 2.0f, 13);
  std::vector<int32_t> history;
  for (int32_t t = 0; t < 200; t += 3) history.insert(history.end(), {t, t % 60});
  ExpectFrequencies({.temperature = 1.2f,
                     .top_k = 60,
                     .top_p = 0.95f,
                     .repetition_penalty = 1.1f,
                     .presence_penalty = -0.2f,
                     .frequency_penalty = 0.15f,
                     .seed = 13},
                    logits, Vary::kPosition, history);
}

TEST(SamplerDistributionTest, NeighbouringPositionsAreIndependent) {
  // Pairs of successive draws over 8 equal tokens: 64 cells, 63 degrees of freedom.
  Sampler sampler(8);
  const std::vector<float> flat(8, 0.0f);
  std::vector<int> cells(64);
  Draw first, second;
  for (int i = 0; i < kDraws / 2; ++i) {
    ASSERT_TRUE(sampler.Sample({.temperature = 1.0f, .seed = 11}, flat, {}, 2 * i, &first).ok());
    ASSERT_TRUE(
        sampler.Sample({.temperature = 1.0f, .seed = 11}, flat, {}, 2 * i + 1, &second).ok());
    ++cells[static_cast<size_t>(first.token * 8 + second.token)];
  }
  const double mean = kDraws / 2 / 64.0;
  double chi_square = 0;
  for (int count : cells) chi_square += (count - mean) * (count - mean) / mean;
  EXPECT_LT(chi_square, ChiSquareLimit(63));
}

}  // namespace
}  // namespace llmrt::sampling
