#include "speculation/acceptance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace llmrt::speculation {
namespace {

// Drafts of `length` tokens, each right with chance `right` while those before it are.
void Draft(Acceptance& acceptance, double right, int64_t length, int times, std::mt19937& random) {
  std::bernoulli_distribution is_right(right);
  for (int i = 0; i < times; ++i) {
    int64_t kept = 0;
    while (kept < length && is_right(random)) ++kept;
    acceptance.Observe(length, kept);
  }
}

TEST(AcceptanceTest, AnUnknownDrafterIsRightHalfOfTheTime) {
  const Acceptance acceptance;
  EXPECT_DOUBLE_EQ(acceptance.Survival(1), 0.5);
  EXPECT_DOUBLE_EQ(acceptance.Survival(3), 0.125);
}

TEST(AcceptanceTest, ComesToTheChanceOfEachDepth) {
  std::mt19937 random(1);
  for (const double right : {0.2, 0.5, 0.9}) {
    Acceptance acceptance;
    double sums[3] = {};
    constexpr int kTimes = 400;
    for (int i = 0; i < kTimes; ++i) {
      Draft(acceptance, right, 3, 10, random);
      for (int64_t d = 0; d < 3; ++d) sums[d] += acceptance.Survival(d + 1) / kTimes;
    }
    for (int64_t d = 0; d < 3; ++d) {
      EXPECT_NEAR(sums[d], std::pow(right, static_cast<double>(d + 1)), 0.05) << right << " " << d;
    }
  }
}

TEST(AcceptanceTest, DepthsThatWereNeverTriedCountAsTheOneBefore) {
  std::mt19937 random(2);
  Acceptance acceptance;
  Draft(acceptance, 1.0, 1, 200, random);
  EXPECT_GT(acceptance.Survival(1), 0.95);
  EXPECT_NEAR(acceptance.Survival(2), std::pow(acceptance.Survival(1), 2), 1e-12);
}

TEST(AcceptanceTest, ForgetsWhatWasLongAgo) {
  std::mt19937 random(3);
  Acceptance acceptance;
  Draft(acceptance, 1.0, 4, 1000, random);
  Draft(acceptance, 0.0, 4, 100, random);
  EXPECT_LT(acceptance.Survival(1), 0.1);
}

TEST(AcceptanceTest, FallsWithDepth) {
  std::mt19937 random(4);
  Acceptance acceptance;
  for (int i = 0; i < 100; ++i) {
    Draft(acceptance, 0.7, 1 + i % kDraftMax, 1, random);
    for (int64_t d = 2; d <= kDraftMax; ++d) {
      ASSERT_LE(acceptance.Survival(d), acceptance.Survival(d - 1));
    }
  }
}

TEST(AcceptanceTest, LikeOthersUntilMoreIsKnown) {
  Acceptance others;
  for (int i = 0; i < 100; ++i) others.Observe(3, 3);
  Acceptance like = Acceptance::Like(others);
  EXPECT_GT(like.Survival(3), 0.5);
  for (int i = 0; i < 5; ++i) like.Observe(3, 0);
  EXPECT_LT(like.Survival(1), 0.5);
  EXPECT_GT(others.Survival(1), 0.9);
  EXPECT_EQ(Acceptance::Like(Acceptance()).Survival(5), Acceptance().Survival(5));
}

}  // namespace
}  // namespace llmrt::speculation
