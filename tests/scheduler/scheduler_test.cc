#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>
#include <vector>

namespace llmrt::scheduler {
namespace {

constexpr int32_t kBlock = 4;  // tokens

// One stream with its session. `cached` tokens of it are there already, from earlier turns.
struct Stream : Request {
  explicit Stream(int64_t tokens) {
    sequence = &kv;
    num_tokens = tokens;
  }
  kv::Sequence kv;
};

using Rows = std::vector<std::pair<const Request*, int64_t>>;

struct Engine {
  Engine(int32_t num_blocks, const SchedulerLimits& limits)
      : cache(num_blocks, kBlock), scheduler(cache, limits) {}

  // All tokens but the last are there already: it only waits for its next one.
  void Decode(Stream& stream) {
    cache.Pin(stream.kv);
    const int64_t count = stream.num_tokens - 1;
    cache.Commit(stream.kv, count, cache.Reserve(stream.kv, count));
    cache.Unpin(stream.kv);
    scheduler.Enqueue(stream);
  }
  Rows Plan(int64_t prefill_rows = 1000) {
    Rows rows;
    for (const Assignment& assignment : scheduler.Plan(prefill_rows)) {
      EXPECT_EQ(assignment.first, assignment.request->sequence->num_tokens());
      rows.push_back({assignment.request, assignment.count});
    }
    return rows;
  }
  // Whoever has nothing pending then draws a token.
  void Commit() {
    const std::vector<Assignment> done(scheduler.planned().begin(), scheduler.planned().end());
    scheduler.Commit();
    for (const Assignment& assignment : done) {
      if (assignment.request->pending() == 0) ++assignment.request->num_tokens;
    }
    EXPECT_TRUE(scheduler.Validate().ok()) << scheduler.Validate();
  }
  Rows Step(int64_t prefill_rows = 1000) {
    Rows rows = Plan(prefill_rows);
    Commit();
    return rows;
  }

  kv::PagedCache cache;
  Scheduler scheduler;
};

constexpr SchedulerLimits kWide = {.rows = 64, .logit_rows = 16, .running_max = 16};

TEST(SchedulerTest, AnEmptyLineGivesAnEmptyPlan) {
  Engine engine(4, kWide);
  EXPECT_TRUE(engine.Plan().empty());
}

TEST(SchedulerTest, APromptAloneTakesTheWholeStepAndThenDecodes) {
  Engine engine(100, kWide);
  Stream a(100);
  engine.scheduler.Enqueue(a);
  EXPECT_EQ(engine.Step(0), (Rows{{&a, 64}}));
  EXPECT_EQ(engine.Step(0), (Rows{{&a, 36}}));
  EXPECT_EQ(engine.Step(0), (Rows{{&a, 1}}));
  EXPECT_EQ(a.num_tokens, 102);
}

TEST(SchedulerTest, RequestsAreAdmittedInTheOrderOfTheirArrival) {
  Engine engine(100, {.rows = 64, .logit_rows = 2, .running_max = 2});
  Stream a(3);
  Stream b(3);
  Stream c(3);
  for (Stream* stream : {&a, &b, &c}) engine.scheduler.Enqueue(*stream);
  EXPECT_EQ(engine.Step(), (Rows{{&a, 3}, {&b, 3}}));
  EXPECT_EQ(engine.scheduler.num_running(), 2);
  EXPECT_EQ(engine.scheduler.num_waiting(), 1);
  engine.scheduler.Remove(a);
  EXPECT_EQ(engine.Step(), (Rows{{&b, 1}, {&c, 3}}));
}

TEST(SchedulerTest, AdmissionKeepsOneBlockInReserveForEachThatRuns) {
  for (const int32_t blocks : {2, 3}) {
    Engine engine(blocks, kWide);
    Stream a(3);
    Stream b(3);
    engine.scheduler.Enqueue(a);
    engine.scheduler.Enqueue(b);
    engine.Plan();
    // One block for each of the two, and one in reserve for the first.
    EXPECT_EQ(engine.scheduler.num_running(), blocks == 2 ? 1 : 2);
  }
}

TEST(SchedulerTest, AdmissionCountsTheBlocksThatRunningPromptsWillTake) {
  for (const int32_t blocks : {19, 20}) {
    Engine engine(blocks, kWide);
    Stream a(70);  // 18 blocks, of which the first step takes 16
    Stream b(3);
    engine.scheduler.Enqueue(a);
    engine.Step();
    engine.scheduler.Enqueue(b);
    engine.Plan();
    // With those two, one in reserve and one for itself it is the 20th.
    EXPECT_EQ(b.state, blocks == 19 ? RequestState::kWaiting : RequestState::kRunning);
  }
}

TEST(SchedulerTest, NobodyOvertakesTheHeadOfThoseWhoWait) {
  Engine engine(10, kWide);
  Stream a(10);
  Stream large(30);
  Stream small(1);
  for (Stream* stream : {&a, &large, &small}) engine.scheduler.Enqueue(*stream);
  EXPECT_EQ(engine.Step(), (Rows{{&a, 10}}));
  EXPECT_EQ(small.state, RequestState::kWaiting);
  engine.scheduler.Remove(a);
  engine.cache.Clear(a.kv);
  engine.Step();
  EXPECT_EQ(large.state, RequestState::kRunning);
}

TEST(SchedulerTest, ARequestThatFitsOnlyAloneRunsAlone) {
  Engine engine(4, kWide);
  Stream a(16);
  engine.scheduler.Enqueue(a);
  EXPECT_EQ(engine.Plan(), (Rows{{&a, 16}}));
}

TEST(SchedulerTest, SharedBlocksOfAForkAreAdmittedOnce) {
  Engine engine(6, kWide);
  Stream parent(17);
  Stream fork(17);
  engine.Decode(parent);
  engine.cache.Fork(parent.kv, 16, fork.kv);
  engine.scheduler.Enqueue(fork);
  // Four blocks are shared; the next one of each would be the sixth and the seventh.
  EXPECT_EQ(engine.Plan(), (Rows{{&parent, 1}}));
  engine.scheduler.Rollback();
  engine.scheduler.Remove(fork);
  engine.scheduler.Remove(parent);

  Engine larger(7, kWide);
  Stream again(17);
  Stream other(17);
  larger.Decode(again);
  larger.cache.Fork(again.kv, 16, other.kv);
  larger.scheduler.Enqueue(other);
  EXPECT_EQ(larger.Plan(), (Rows{{&again, 1}, {&other, 1}}));
}

TEST(SchedulerTest, ThoseWhoDecodeComeBeforePrompts) {
  Engine engine(100, {.rows = 20, .logit_rows = 16, .running_max = 16});
  Stream a(5);
  Stream prompt(100);
  Stream b(9);
  engine.Decode(a);
  engine.scheduler.Enqueue(prompt);
  engine.Decode(b);
  EXPECT_EQ(engine.Step(), (Rows{{&a, 1}, {&b, 1}, {&prompt, 18}}));
}

TEST(SchedulerTest, APromptAtTheHeadLeavesThoseWhoDecodeTheirRows) {
  Engine engine(100, {.rows = 20, .logit_rows = 16, .running_max = 16});
  Stream prompt(100);
  Stream a(5);
  Stream b(9);
  engine.scheduler.Enqueue(prompt);
  engine.Decode(a);
  engine.Decode(b);
  EXPECT_EQ(engine.Step(), (Rows{{&prompt, 18}, {&a, 1}, {&b, 1}}));
}

TEST(SchedulerTest, WhereOthersDecodePromptsHaveTheRowsThatTheyAreGiven) {
  Engine engine(100, kWide);
  Stream a(5);
  Stream prompt(100);
  Stream second(100);
  engine.Decode(a);
  engine.scheduler.Enqueue(prompt);
  engine.scheduler.Enqueue(second);
  EXPECT_EQ(engine.Step(30), (Rows{{&a, 1}, {&prompt, 30}}));
  // The least that moves them.
  EXPECT_EQ(engine.Step(0), (Rows{{&a, 1}, {&prompt, kPrefillRowsMin}}));
  EXPECT_EQ(engine.Step(60), (Rows{{&a, 1}, {&prompt, 54}, {&second, 6}}));
}

TEST(SchedulerTest, APromptAloneTakesAllRows) {
  Engine engine(100, kWide);
  Stream a(100);
  engine.scheduler.Enqueue(a);
  EXPECT_EQ(engine.Step(1), (Rows{{&a, 64}}));
}

TEST(SchedulerTest, ShortPromptsPassLongOnes) {
  Engine engine(100, kWide);
  Stream oldest(100);
  Stream long_one(50);
  Stream short_one(9);
  for (Stream* stream : {&oldest, &long_one, &short_one}) engine.scheduler.Enqueue(*stream);
  // The oldest leaves the shorter ones their rows, but not its last eight.
  EXPECT_EQ(engine.Step(30), (Rows{{&oldest, kOldestRowsMin}, {&short_one, 9}, {&long_one, 13}}));
}

TEST(SchedulerTest, TheOldestTakesWhatShorterPromptsLeave) {
  Engine engine(100, kWide);
  Stream oldest(100);
  Stream short_one(9);
  Stream longer(200);
  for (Stream* stream : {&oldest, &short_one, &longer}) engine.scheduler.Enqueue(*stream);
  EXPECT_EQ(engine.Step(30), (Rows{{&oldest, 21}, {&short_one, 9}}));
}

TEST(SchedulerTest, EqualPromptsGoInOrder) {
  Engine engine(100, kWide);
  Stream a(40);
  Stream b(40);
  Stream c(40);
  for (Stream* stream : {&a, &b, &c}) engine.scheduler.Enqueue(*stream);
  EXPECT_EQ(engine.Step(60), (Rows{{&a, 40}, {&b, 20}}));
}

TEST(SchedulerTest, AScoringPromptIsLimitedByTheLogitRows) {
  Engine engine(100, {.rows = 64, .logit_rows = 4, .running_max = 4});
  Stream scored(30);
  scored.logits_from = 10;
  engine.scheduler.Enqueue(scored);
  EXPECT_EQ(engine.Step(), (Rows{{&scored, 14}}));
  EXPECT_EQ(engine.Step(), (Rows{{&scored, 4}}));
}

TEST(SchedulerTest, AScoringPromptLeavesThoseWhoDecodeTheirLogits) {
  Engine engine(100, {.rows = 64, .logit_rows = 5, .running_max = 3});
  Stream scored(30);
  scored.logits_from = 0;
  Stream a(5);
  Stream b(9);
  engine.scheduler.Enqueue(scored);
  engine.Decode(a);
  engine.Decode(b);
  EXPECT_EQ(engine.Step(), (Rows{{&scored, 3}, {&a, 1}, {&b, 1}}));
}

TEST(SchedulerTest, APromptWithoutALogitRowStopsBeforeItsLastRow) {
  Engine engine(100, {.rows = 64, .logit_rows = 2, .running_max = 2});
  Stream scored(30);
  scored.logits_from = 0;
  Stream prompt(5);
  engine.scheduler.Enqueue(scored);
  engine.scheduler.Enqueue(prompt);
  EXPECT_EQ(engine.Step(), (Rows{{&scored, 2}, {&prompt, 4}}));
  EXPECT_EQ(engine.Step(), (Rows{{&scored, 1}, {&prompt, 1}}));
}

// Two that decode grow until six blocks no longer hold them: the older comes to have 12 + `steps`
// tokens, the younger 4 + `steps`.
struct CrowdedEngine : Engine {
  CrowdedEngine() : Engine(6, kWide) {
    Decode(older);
    Decode(younger);
  }
  Stream older{9};
  Stream younger{5};
};

TEST(SchedulerTest, TheYoungestWaitsWhenItLacksABlock) {
  CrowdedEngine engine;
  // The older takes blocks for the tokens 9 and 13, the younger for 5.
  for (int step = 0; step < 4; ++step) EXPECT_EQ(engine.Step().size(), 2u);
  ASSERT_EQ(engine.older.num_tokens, 13);
  ASSERT_EQ(engine.younger.num_tokens, 9);
  EXPECT_EQ(engine.Step(), (Rows{{&engine.older, 1}}));
  EXPECT_EQ(engine.younger.state, RequestState::kRunning);
  EXPECT_EQ(engine.scheduler.num_preemptions(), 0);
}

TEST(SchedulerTest, TheOldestPreemptsTheYoungest) {
  CrowdedEngine engine;
  while (engine.older.num_tokens < 17) engine.Step();
  EXPECT_EQ(engine.younger.num_tokens, 9);
  EXPECT_EQ(engine.Step(), (Rows{{&engine.older, 1}}));
  EXPECT_EQ(engine.younger.state, RequestState::kWaiting);
  EXPECT_EQ(engine.younger.preemptions, 1);
  EXPECT_EQ(engine.older.preemptions, 0);
  EXPECT_EQ(engine.scheduler.num_preemptions(), 1);
  EXPECT_FALSE(engine.younger.kv.pinned());
  EXPECT_EQ(engine.cache.NumCached(engine.younger.kv), 4);
}

TEST(SchedulerTest, ThePreemptedStandsAtTheHeadAndComputesAgainWhatWasEvicted) {
  CrowdedEngine engine;
  Stream third(3);
  while (engine.older.num_tokens < 18) engine.Step();
  engine.scheduler.Enqueue(third);
  engine.Step();
  EXPECT_EQ(third.state, RequestState::kWaiting);
  engine.scheduler.Remove(engine.older);
  engine.cache.Clear(engine.older.kv);
  // One of its two blocks is still there. Of its pending tokens one is new.
  EXPECT_EQ(engine.Step(), (Rows{{&engine.younger, 5}, {&third, 3}}));
  EXPECT_EQ(engine.younger.tokens_recomputed, 4);
  EXPECT_EQ(engine.scheduler.tokens_recomputed(), 4);
}

TEST(SchedulerTest, OnlyAsManyArePreemptedAsNeeded) {
  Engine engine(12, kWide);
  std::deque<Stream> streams;
  for (int i = 0; i < 4; ++i) streams.emplace_back(4);
  for (Stream& stream : streams) {
    stream.sequence = &stream.kv;
    engine.Decode(stream);
  }
  while (engine.scheduler.num_preemptions() == 0) engine.Step();
  EXPECT_EQ(streams[3].preemptions, 1);
  EXPECT_EQ(engine.scheduler.num_running(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(streams[i].preemptions, 0);
}

TEST(SchedulerTest, TheAssignmentOfThePreemptedIsUndone) {
  Engine engine(8, kWide);
  Stream oldest(5);
  Stream prompt(2);
  Stream youngest(5);
  engine.Decode(oldest);
  engine.scheduler.Enqueue(prompt);
  engine.Decode(youngest);
  engine.Step();
  ASSERT_EQ(engine.scheduler.num_running(), 3);
  prompt.num_tokens = 17;  // more than was said when it was admitted: the five blocks of 17 tokens
  const Rows rows = engine.Plan();
  EXPECT_EQ(rows, (Rows{{&oldest, 1}, {&prompt, 15}}));
  EXPECT_EQ(youngest.state, RequestState::kWaiting);
  EXPECT_EQ(youngest.kv.blocks().size(), 2u);
  engine.Commit();
  EXPECT_EQ(youngest.num_tokens, 6);
  EXPECT_TRUE(engine.cache.Validate({&oldest.kv, &prompt.kv, &youngest.kv}).ok());
}

TEST(SchedulerTest, APromptTakesAShorterChunkRatherThanTheBlocksOfOthers) {
  Engine engine(8, kWide);
  Stream prompt(2);
  Stream other(5);
  engine.scheduler.Enqueue(prompt);
  engine.Decode(other);
  engine.Step();
  prompt.num_tokens = 32;
  // Two blocks are the other's; the prompt has two tokens in its first.
  EXPECT_EQ(engine.Plan(), (Rows{{&prompt, 22}, {&other, 1}}));
  EXPECT_EQ(engine.scheduler.num_preemptions(), 0);
}

TEST(SchedulerTest, APromptRatherPreemptsThanTakesNextToNothing) {
  Engine engine(6, kWide);
  Stream prompt(2);
  Stream other(5);
  engine.scheduler.Enqueue(prompt);
  engine.Decode(other);
  engine.Step();
  prompt.num_tokens = 24;
  EXPECT_EQ(engine.Plan(), (Rows{{&prompt, 22}}));
  EXPECT_EQ(other.state, RequestState::kWaiting);
}

TEST(SchedulerTest, TheOldestSeizesASharedBlockWhenNoOtherIsLeft) {
  Engine engine(2, kWide);
  Stream parent(8);
  Stream fork(8);
  engine.Decode(parent);
  engine.scheduler.Remove(parent);
  engine.cache.Fork(parent.kv, 7, fork.kv);
  engine.scheduler.Enqueue(fork);
  EXPECT_EQ(engine.Plan(), (Rows{{&fork, 1}}));
  EXPECT_EQ(engine.scheduler.planned()[0].growth.copy_from, kv::kNoBlock);
  EXPECT_EQ(engine.cache.NumCached(parent.kv), 4);
}

TEST(SchedulerTest, DropLeavesTheOthersTheirAssignments) {
  Engine engine(100, kWide);
  Stream a(10);
  Stream b(3);
  Stream c(7);
  for (Stream* stream : {&a, &b, &c}) engine.scheduler.Enqueue(*stream);
  engine.Plan();
  engine.scheduler.Drop(1);
  ASSERT_EQ(engine.scheduler.planned().size(), 2u);
  EXPECT_EQ(engine.scheduler.planned()[1].request, &c);
  EXPECT_TRUE(b.kv.blocks().empty());
  engine.scheduler.Remove(b);
  EXPECT_EQ(b.state, RequestState::kOutside);
  EXPECT_EQ(engine.scheduler.num_running(), 2);
  engine.Commit();
  EXPECT_EQ(a.kv.num_tokens(), 10);
  EXPECT_EQ(b.kv.num_tokens(), 0);
  EXPECT_EQ(c.kv.num_tokens(), 7);
  EXPECT_TRUE(engine.cache.Validate({&a.kv, &b.kv, &c.kv}).ok());
}

TEST(SchedulerTest, ADroppedRequestMayStayAndIsPlannedAgain) {
  Engine engine(100, kWide);
  Stream a(10);
  Stream b(7);
  engine.scheduler.Enqueue(a);
  engine.scheduler.Enqueue(b);
  engine.Plan();
  engine.scheduler.Drop(0);
  engine.Commit();
  EXPECT_EQ(engine.Plan(), (Rows{{&a, 10}, {&b, 1}}));
}

TEST(SchedulerTest, TrimGivesUpTheLastRows) {
  Engine engine(100, kWide);
  Stream a(20);
  engine.scheduler.Enqueue(a);
  engine.Plan();
  engine.scheduler.Trim(0, 6);
  EXPECT_EQ(a.kv.blocks().size(), 2u);
  engine.Commit();
  EXPECT_EQ(a.kv.num_tokens(), 6);
  EXPECT_EQ(engine.Step(), (Rows{{&a, 14}}));
  EXPECT_EQ(engine.scheduler.tokens_recomputed(), 0);
}

TEST(SchedulerTest, RollbackLeavesEverybodyAsTheyWere) {
  Engine engine(100, kWide);
  Stream a(10);
  Stream b(7);
  engine.Decode(a);
  engine.scheduler.Enqueue(b);
  const Rows rows = engine.Plan();
  engine.scheduler.Rollback();
  EXPECT_TRUE(engine.scheduler.planned().empty());
  EXPECT_EQ(a.kv.num_tokens(), 9);
  EXPECT_EQ(engine.cache.pool().num_pinned(), 3);
  EXPECT_TRUE(engine.cache.Validate({&a.kv, &b.kv}).ok());
  EXPECT_EQ(engine.Plan(), rows);
}

TEST(SchedulerTest, APausedRequestStandsAtTheEndWhenItResumes) {
  Engine engine(100, {.rows = 64, .logit_rows = 2, .running_max = 2});
  Stream a(10);
  Stream b(7);
  Stream c(3);
  for (Stream* stream : {&a, &b, &c}) engine.scheduler.Enqueue(*stream);
  engine.Step();
  engine.scheduler.Remove(a);
  EXPECT_FALSE(a.kv.pinned());
  EXPECT_EQ(engine.cache.NumCached(a.kv), 10);
  engine.scheduler.Enqueue(a);
  EXPECT_EQ(engine.Step(), (Rows{{&b, 1}, {&c, 3}}));
  engine.scheduler.Remove(b);
  EXPECT_EQ(engine.Step(), (Rows{{&c, 1}, {&a, 1}}));
  EXPECT_EQ(engine.scheduler.tokens_recomputed(), 0);
}

TEST(SchedulerTest, RemoveOfOneWhoIsOutsideDoesNothing) {
  Engine engine(4, kWide);
  Stream a(3);
  engine.scheduler.Remove(a);
  engine.scheduler.Enqueue(a);
  engine.scheduler.Remove(a);
  engine.scheduler.Remove(a);
  EXPECT_TRUE(engine.scheduler.line().empty());
}

TEST(SchedulerTest, WithRoomInLineEnqueueMovesNothing) {
  Engine engine(4, kWide);
  std::deque<Stream> streams;
  for (int i = 0; i < 20; ++i) streams.emplace_back(1);
  engine.scheduler.ReserveRoom(streams.size());
  engine.scheduler.Enqueue(streams[0]);
  Request* const* line = engine.scheduler.line().data();
  for (size_t i = 1; i < streams.size(); ++i) engine.scheduler.Enqueue(streams[i]);
  EXPECT_EQ(engine.scheduler.line().data(), line);
}

TEST(SchedulerTest, ValidateNamesARequestWithNothingPending) {
  Engine engine(4, kWide);
  Stream a(3);
  engine.scheduler.Enqueue(a);
  engine.Plan();
  engine.scheduler.Commit();
  EXPECT_EQ(engine.scheduler.Validate().message(), "request 0 in line has nothing pending");
  ++a.num_tokens;
  EXPECT_TRUE(engine.scheduler.Validate().ok());
  engine.cache.Clear(a.kv);
  EXPECT_EQ(engine.scheduler.Validate().message(),
            "request 0 of 1 in line is in the wrong state; 1 run");
}

TEST(SchedulerTest, ExtendGivesTheRowsThatAreLeft) {
  Engine engine(100, {.rows = 8, .logit_rows = 6, .running_max = 4});
  Stream a(3), b(3);
  engine.Decode(a);
  engine.Decode(b);
  EXPECT_EQ(engine.Plan(), (Rows{{&a, 1}, {&b, 1}}));
  EXPECT_EQ(engine.scheduler.spare_rows(), 4);  // of those with logits
  EXPECT_EQ(engine.scheduler.Extend(0, 3), 3);
  EXPECT_EQ(engine.scheduler.Extend(1, 3), 1);
  EXPECT_EQ(engine.scheduler.spare_rows(), 0);
  EXPECT_EQ(engine.scheduler.planned()[0].count, 4);
  EXPECT_EQ(engine.scheduler.planned()[1].count, 2);
  engine.scheduler.Trim(0, 2);
  // Both drafts that stay were right.
  ++a.num_tokens;
  ++b.num_tokens;
  engine.Commit();
  EXPECT_EQ(a.kv.num_tokens(), 4);
  EXPECT_EQ(b.kv.num_tokens(), 4);
}

TEST(SchedulerTest, AStepOfPromptsLeavesWhatTheyDoNotTake) {
  Engine engine(100, {.rows = 8, .logit_rows = 6, .running_max = 4});
  Stream a(3), prompt(30);
  engine.Decode(a);
  engine.scheduler.Enqueue(prompt);
  EXPECT_EQ(engine.Plan(), (Rows{{&a, 1}, {&prompt, 7}}));
  EXPECT_EQ(engine.scheduler.spare_rows(), 0);
  EXPECT_EQ(engine.scheduler.Extend(0, 3), 0);
}

TEST(SchedulerTest, DraftsTakeBlocksOnlyFromThoseWhoRestAndOnlyWhileNobodyWaits) {
  for (const bool somebody_waits : {false, true}) {
    SCOPED_TRACE(somebody_waits);
    Engine engine(5, {.rows = 64, .logit_rows = 16, .running_max = 1});
    Stream resting(9), a(4), waiting(2);
    engine.Decode(resting);
    engine.scheduler.Remove(resting);  // its two blocks are cached
    engine.Decode(a);
    if (somebody_waits) engine.scheduler.Enqueue(waiting);
    ASSERT_EQ(engine.Plan(), (Rows{{&a, 1}}));
    ASSERT_EQ(engine.cache.pool().num_free(), 2);
    ASSERT_EQ(engine.cache.pool().num_cached(), 2);
    // One block is its own; four more are there, of which two are somebody's rest.
    EXPECT_EQ(engine.scheduler.Extend(0, 15), somebody_waits ? 8 : 15);
    EXPECT_EQ(engine.cache.NumCached(resting.kv), somebody_waits ? 8 : 0);
    engine.scheduler.Rollback();
    EXPECT_EQ(a.kv.num_tokens(), 3);
    EXPECT_EQ(engine.cache.pool().num_pinned(), 1);
  }
}

}  // namespace
}  // namespace llmrt::scheduler
