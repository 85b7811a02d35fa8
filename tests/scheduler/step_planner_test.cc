#include "scheduler/step_planner.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace llmrt::scheduler {
namespace {

std::vector<Assignment> Plan(const std::vector<Candidate>& candidates, StepBudget budget) {
  std::vector<Assignment> out;
  PlanStep(candidates, budget, out);
  return out;
}

TEST(StepPlannerTest, NothingWaitingGivesNothing) { EXPECT_TRUE(Plan({}, {8, 8}).empty()); }

TEST(StepPlannerTest, DecodeRowsGoBeforePrefillWhateverTheOrder) {
  const auto plan = Plan({{.pending = 100}, {.pending = 1}, {.pending = 1}}, {8, 8});
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[0].candidate, 1);
  EXPECT_EQ(plan[1].candidate, 2);
  EXPECT_EQ(plan[2].candidate, 0);
  EXPECT_EQ(plan[2].num_tokens, 6);  // what two decode rows leave of 8
}

TEST(StepPlannerTest, LongPromptIsCutWhereTheStepIsFull) {
  const auto plan = Plan({{.pending = 1000}}, {64, 4});
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].num_tokens, 64);
}

TEST(StepPlannerTest, PromptThatWouldNeedALogitRowWaitsWithItsLastToken) {
  const auto plan = Plan({{.pending = 1}, {.pending = 5}}, {16, 1});
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_EQ(plan[1].num_tokens, 4);
}

TEST(StepPlannerTest, ScoringTakesALogitRowForEachToken) {
  const auto plan = Plan({{.pending = 100, .all_logits = true}, {.pending = 100}}, {64, 16});
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_EQ(plan[0].num_tokens, 16);
  EXPECT_EQ(plan[1].num_tokens, 48);
}

// Every plan stays inside its budget, assigns no candidate twice and is never empty without reason.
TEST(StepPlannerTest, RandomPlansKeepTheBudget) {
  const uint32_t seed = 4711;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::vector<Assignment> plan;
  for (int round = 0; round < 200000; ++round) {
    std::vector<Candidate> candidates(1 + random() % 12);
    for (Candidate& candidate : candidates) {
      candidate.pending = random() % 2 == 0 ? 1 : 1 + random() % 200;
      candidate.all_logits = random() % 5 == 0;
    }
    const StepBudget budget{.rows = static_cast<int64_t>(1 + random() % 64),
                            .logit_rows = static_cast<int64_t>(1 + random() % 16)};
    PlanStep(candidates, budget, plan);
    ASSERT_FALSE(plan.empty());
    int64_t rows = 0, logit_rows = 0;
    std::vector<bool> seen(candidates.size(), false);
    for (const Assignment& assignment : plan) {
      const size_t i = static_cast<size_t>(assignment.candidate);
      ASSERT_FALSE(seen[i]);
      seen[i] = true;
      ASSERT_GE(assignment.num_tokens, 1);
      ASSERT_LE(assignment.num_tokens, candidates[i].pending);
      rows += assignment.num_tokens;
      if (candidates[i].all_logits) {
        logit_rows += assignment.num_tokens;
      } else if (assignment.num_tokens == candidates[i].pending) {
        ++logit_rows;
      }
    }
    ASSERT_LE(rows, budget.rows);
    ASSERT_LE(logit_rows, budget.logit_rows);
  }
}

}  // namespace
}  // namespace llmrt::scheduler
