#include "speculation/draft_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace llmrt::speculation {
namespace {

// A drafter that is right with chance `right`, as it is known after many drafts.
Acceptance Known(double right) {
  std::mt19937 random(1);
  std::bernoulli_distribution is_right(right);
  Acceptance acceptance;
  for (int i = 0; i < 2000; ++i) {
    int64_t kept = 0;
    while (kept < kDraftMax && is_right(random)) ++kept;
    acceptance.Observe(kDraftMax, kept);
  }
  return acceptance;
}

// Reading weights costs 20 ms, a row half of one: 4 rows as much as 1, 64 rows three times.
StepCost MemoryBound() { return StepCost({1, 4, 8, 64}, {20000, 20000, 22000, 60000}); }
StepCost ComputeBound() { return StepCost({1, 64}, {1000, 64000}); }

TEST(DraftPolicyTest, AGoodDrafterGetsRowsWhereRowsAreCheapAndNoneWhereTheyAreNot) {
  const Acceptance good = Known(0.9);
  for (const bool cheap : {true, false}) {
    const StepCost cost = cheap ? MemoryBound() : ComputeBound();
    DraftPolicy policy(cost);
    std::vector<DraftCandidate> one = {{.acceptance = &good, .length_max = 8}};
    policy.Plan({.rows = 1, .tokens = 1, .draft_rows_max = 63}, absl::MakeSpan(one));
    if (cheap) {
      EXPECT_GE(one[0].length, 6);
    } else {
      EXPECT_EQ(one[0].length, 0);
    }
  }
}

TEST(DraftPolicyTest, LooksBeyondRowsThatGainNothing) {
  // The second row costs much, the third and fourth nothing.
  const StepCost cost({1, 2, 3, 4}, {1000, 2100, 2100, 2100});
  const Acceptance good = Known(0.99);
  DraftPolicy policy(cost);
  std::vector<DraftCandidate> one = {{.acceptance = &good, .length_max = 3}};
  EXPECT_EQ(policy.Plan({.rows = 1, .tokens = 1, .draft_rows_max = 3}, absl::MakeSpan(one)), 3);
}

TEST(DraftPolicyTest, WhatTheDrafterTakesCounts) {
  const StepCost cost = MemoryBound();
  const Acceptance good = Known(0.9);
  for (const double us : {0.0, 30000.0}) {
    DraftPolicy policy(cost);
    std::vector<DraftCandidate> one = {{.acceptance = &good, .us_a_token = us, .length_max = 8}};
    policy.Plan({.rows = 1, .tokens = 1, .draft_rows_max = 63}, absl::MakeSpan(one));
    EXPECT_EQ(one[0].length > 0, us == 0);
  }
}

double RateOf(const StepCost& cost, const PlainStep& step,
              const std::vector<DraftCandidate>& candidates, const std::vector<int64_t>& lengths) {
  double tokens = static_cast<double>(step.tokens), us = 0;
  int64_t rows = step.rows;
  for (size_t i = 0; i < lengths.size(); ++i) {
    for (int64_t d = 1; d <= lengths[i]; ++d) tokens += candidates[i].acceptance->Survival(d);
    us += static_cast<double>(lengths[i]) * candidates[i].us_a_token;
    rows += lengths[i];
  }
  return tokens / (us + cost.Us(rows));
}

// With drafters of one price nothing is better than what is planned.
TEST(DraftPolicyTest, NoOtherLengthsGiveMoreTokensAMillisecond) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> uniform(0, 1);
  int drafted = 0;
  for (int run = 0; run < 200; ++run) {
    std::vector<double> us = {100 + 400 * uniform(random)};
    for (int i = 0; i < 7; ++i) us.push_back(us.back() + 200 * uniform(random) * uniform(random));
    const StepCost cost({1, 2, 3, 4, 6, 8, 12, 16}, us);
    const std::vector<Acceptance> known = {Known(uniform(random)), Known(uniform(random)),
                                           Known(uniform(random))};
    const double price = run % 2 == 0 ? 0 : 10 * uniform(random);
    std::vector<DraftCandidate> candidates;
    for (const Acceptance& acceptance : known) {
      candidates.push_back(
          {.acceptance = &acceptance, .us_a_token = price, .length_max = run % 4 + 1});
    }
    const PlainStep step = {.rows = 3, .tokens = 3, .draft_rows_max = run % 7};
    DraftPolicy policy(cost);
    const int64_t sum = policy.Plan(step, absl::MakeSpan(candidates));
    const std::vector<int64_t> planned = {candidates[0].length, candidates[1].length,
                                          candidates[2].length};
    ASSERT_EQ(sum, planned[0] + planned[1] + planned[2]);
    ASSERT_LE(sum, step.draft_rows_max);
    const double plain = RateOf(cost, step, candidates, {0, 0, 0});
    const double rate = RateOf(cost, step, candidates, planned);
    drafted += rate > plain ? 1 : 0;
    std::vector<int64_t> other(3);
    for (other[0] = 0; other[0] <= run % 4 + 1; ++other[0]) {
      for (other[1] = 0; other[1] <= run % 4 + 1; ++other[1]) {
        for (other[2] = 0; other[2] <= run % 4 + 1; ++other[2]) {
          if (other[0] + other[1] + other[2] > step.draft_rows_max) continue;
          // A gain of 5 % is not worth the risk.
          ASSERT_LE(RateOf(cost, step, candidates, other), 1.005 * std::max(rate, 1.05 * plain));
        }
      }
    }
  }
  EXPECT_GT(drafted, 50);
}

// Streams whose drafters have chances `right`, which change halfway; returns the time a token takes
// with drafts by that without.
double Simulate(const StepCost& cost, int64_t streams, double first, double second) {
  std::mt19937 random(7);
  std::vector<Acceptance> known(static_cast<size_t>(streams));
  DraftPolicy policy(cost);
  double us = 0, tokens = 0;
  constexpr int kSteps = 4000;
  for (int i = 0; i < kSteps; ++i) {
    std::vector<DraftCandidate> candidates;
    for (const Acceptance& acceptance : known) {
      candidates.push_back({.acceptance = &acceptance, .length_max = 8});
    }
    const int64_t drafts =
        policy.Plan({.rows = streams, .tokens = streams, .draft_rows_max = 64 - streams},
                    absl::MakeSpan(candidates));
    us += cost.Us(streams + drafts);
    std::bernoulli_distribution is_right(i < kSteps / 2 ? first : second);
    for (size_t s = 0; s < known.size(); ++s) {
      int64_t kept = 0;
      while (kept < candidates[s].length && is_right(random)) ++kept;
      if (candidates[s].length > 0) known[s].Observe(candidates[s].length, kept);
      tokens += static_cast<double>(kept + 1);
    }
  }
  return us / tokens / (cost.Us(streams) / static_cast<double>(streams));
}

TEST(DraftPolicyTest, NeverLosesWhateverTheDraftersAreWorth) {
  for (const StepCost& cost : {MemoryBound(), ComputeBound()}) {
    for (const int64_t streams : {1, 2, 4, 8, 16, 32}) {
      for (const double right : {0.0, 0.2, 0.5, 0.9}) {
        for (const double later : {0.0, 0.9}) {
          EXPECT_LT(Simulate(cost, streams, right, later), 1 / 0.99)
              << streams << " streams, " << right << ", then " << later;
        }
      }
    }
  }
}

TEST(DraftPolicyTest, WinsWhereThereIsSomethingToWin) {
  EXPECT_LT(Simulate(MemoryBound(), 1, 0.8, 0.8), 1 / 2.5);
  // Also where it was not worth a try at first.
  EXPECT_LT(Simulate(MemoryBound(), 1, 0.0, 0.9), 1 / 1.4);
}

TEST(DraftPolicyTest, NothingIsTriedThatCouldNotPayIfItWereAllRight) {
  // Eight rows fill their tile; the next one costs half as much again, and is followed by more.
  const StepCost cost({1, 4, 8, 12, 16}, {26000, 26000, 34000, 52000, 70000});
  const Acceptance unknown;
  DraftPolicy policy(cost);
  for (int i = 0; i < 1000; ++i) {
    std::vector<DraftCandidate> eight(8, {.acceptance = &unknown, .length_max = 8});
    ASSERT_EQ(policy.Plan({.rows = 8, .tokens = 8, .draft_rows_max = 8}, absl::MakeSpan(eight)), 0);
  }
}

TEST(DraftPolicyTest, TheBetterOfferIsWorthMore) {
  const StepCost cost = MemoryBound();
  const DraftPolicy policy(cost);
  const PlainStep step = {.rows = 1, .tokens = 1, .draft_rows_max = 15};
  const Acceptance good = Known(0.9), bad = Known(0.3);
  EXPECT_GT(policy.Value(step, good, 0, 8), policy.Value(step, bad, 0, 8));
  EXPECT_GT(policy.Value(step, good, 0, 8), policy.Value(step, good, 0, 2));
  // Unless it takes too long.
  EXPECT_LT(policy.Value(step, good, 50000, 8), policy.Value(step, bad, 0, 8));
}

TEST(DraftPolicyTest, ADrafterThatIsTooDearForATrialLeavesItToOthers) {
  const StepCost cost = MemoryBound();
  const Acceptance bad = Known(0.0);
  DraftPolicy policy(cost);
  int64_t dear = 0, cheap = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<DraftCandidate> two = {{.acceptance = &bad, .us_a_token = 1e6, .length_max = 8},
                                       {.acceptance = &bad, .us_a_token = 0, .length_max = 8}};
    policy.Plan({.rows = 2, .tokens = 2, .draft_rows_max = 14}, absl::MakeSpan(two));
    dear += two[0].length;
    cheap += two[1].length;
  }
  EXPECT_EQ(dear, 0);
  EXPECT_GT(cheap, 3);
}

}  // namespace
}  // namespace llmrt::speculation
