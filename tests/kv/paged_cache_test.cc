#include "kv/paged_cache.h"

#include <gtest/gtest.h>

#include <vector>

namespace llmrt::kv {
namespace {

constexpr int32_t kBlock = 4;  // tokens

// Runs `count` more tokens of a pinned sequence, as a step does.
Growth Write(PagedCache& cache, Sequence& sequence, int64_t count) {
  const Growth growth = cache.Reserve(sequence, count);
  EXPECT_TRUE(growth.reserved);
  if (growth.reserved) cache.Commit(sequence, count, growth);
  return growth;
}

void PinAndWrite(PagedCache& cache, Sequence& sequence, int64_t count) {
  cache.Pin(sequence);
  Write(cache, sequence, count);
}

void WriteAndRest(PagedCache& cache, Sequence& sequence, int64_t count) {
  PinAndWrite(cache, sequence, count);
  cache.Unpin(sequence);
}

std::vector<int32_t> Blocks(const Sequence& sequence) {
  return {sequence.blocks().begin(), sequence.blocks().end()};
}

void ExpectValid(const PagedCache& cache, std::vector<const Sequence*> sequences) {
  const absl::Status status = cache.Validate(sequences);
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(PagedCacheTest, ASequenceHoldsTheBlocksThatItsTokensNeed) {
  PagedCache cache(8, kBlock);
  Sequence sequence;
  cache.Pin(sequence);
  for (int64_t tokens = 1; tokens <= 32; ++tokens) {
    Write(cache, sequence, 1);
    EXPECT_EQ(sequence.num_tokens(), tokens);
    EXPECT_EQ(static_cast<int64_t>(sequence.blocks().size()), (tokens + 3) / 4);
    EXPECT_EQ(cache.pool().tokens_stored(), tokens);
    ExpectValid(cache, {&sequence});
  }
  EXPECT_FALSE(cache.Reserve(sequence, 1).reserved);
  cache.Clear(sequence);
  EXPECT_FALSE(sequence.pinned());
  EXPECT_EQ(cache.pool().num_free(), 8);
}

TEST(PagedCacheTest, AReservationThatDoesNotFitChangesNothing) {
  PagedCache cache(3, kBlock);
  Sequence a;
  Sequence b;
  PinAndWrite(cache, a, 5);
  PinAndWrite(cache, b, 2);
  const auto before = Blocks(b);
  EXPECT_EQ(cache.TokensThatFit(b), 2);
  EXPECT_FALSE(cache.Reserve(b, 3).reserved);
  EXPECT_EQ(Blocks(b), before);
  EXPECT_TRUE(cache.Reserve(b, 2).reserved);
  ExpectValid(cache, {&a, &b});
}

TEST(PagedCacheTest, RollbackGivesTheNewBlocksBack) {
  PagedCache cache(4, kBlock);
  Sequence sequence;
  PinAndWrite(cache, sequence, 3);
  const auto before = Blocks(sequence);
  const Growth growth = cache.Reserve(sequence, 10);
  ASSERT_TRUE(growth.reserved);
  EXPECT_EQ(sequence.blocks().size(), 4u);
  cache.Rollback(sequence, growth);
  EXPECT_EQ(Blocks(sequence), before);
  EXPECT_EQ(sequence.num_tokens(), 3);
  EXPECT_EQ(cache.pool().num_free(), 3);
  EXPECT_EQ(cache.pool().tokens_stored(), 3);
  ExpectValid(cache, {&sequence});
}

TEST(PagedCacheTest, TrimKeepsTheBlocksOfTheTokensThatStay) {
  PagedCache cache(8, kBlock);
  Sequence sequence;
  PinAndWrite(cache, sequence, 3);
  const Growth growth = cache.Reserve(sequence, 20);
  cache.Trim(sequence, 2);
  EXPECT_EQ(sequence.blocks().size(), 2u);
  EXPECT_EQ(cache.pool().num_free(), 6);
  cache.Commit(sequence, 2, growth);
  EXPECT_EQ(sequence.num_tokens(), 5);
  EXPECT_EQ(cache.pool().tokens_stored(), 5);
  ExpectValid(cache, {&sequence});
}

TEST(PagedCacheTest, AReservationIsExtendedAsFarAsItMayAndThereAreBlocks) {
  PagedCache cache(4, kBlock);
  Sequence sequence;
  PinAndWrite(cache, sequence, 3);
  const Growth growth = cache.Reserve(sequence, 1);
  EXPECT_EQ(cache.Extend(sequence, 1, 8), 1);
  // Its last slot is taken: without a block more there is no room.
  EXPECT_EQ(cache.Extend(sequence, 3, 0), 1);
  EXPECT_EQ(cache.Extend(sequence, 3, 1), 3);
  EXPECT_EQ(sequence.blocks().size(), 2u);
  EXPECT_EQ(cache.Extend(sequence, 100, 8), 13);
  EXPECT_EQ(cache.pool().num_free(), 0);
  cache.Trim(sequence, 2);
  cache.Commit(sequence, 2, growth);
  EXPECT_EQ(sequence.num_tokens(), 5);
  EXPECT_EQ(cache.pool().num_free(), 2);
  ExpectValid(cache, {&sequence});
}

TEST(PagedCacheTest, RollbackUndoesAnExtensionToo) {
  PagedCache cache(4, kBlock);
  Sequence sequence;
  PinAndWrite(cache, sequence, 3);
  const Growth growth = cache.Reserve(sequence, 1);
  EXPECT_EQ(cache.Extend(sequence, 9, 8), 9);
  cache.Rollback(sequence, growth);
  EXPECT_EQ(sequence.num_tokens(), 3);
  EXPECT_EQ(cache.pool().num_free(), 3);
  ExpectValid(cache, {&sequence});
}

TEST(PagedCacheTest, RollbackAfterTrimMakesEverythingAsItWas) {
  PagedCache cache(8, kBlock);
  Sequence sequence;
  PinAndWrite(cache, sequence, 3);
  const Growth growth = cache.Reserve(sequence, 20);
  cache.Trim(sequence, 1);
  EXPECT_EQ(sequence.blocks().size(), 1u);
  cache.Rollback(sequence, growth);
  EXPECT_EQ(sequence.num_tokens(), 3);
  EXPECT_EQ(cache.pool().num_free(), 7);
  ExpectValid(cache, {&sequence});
}

TEST(PagedCacheTest, WhatRestsIsKeptUntilSomebodyNeedsTheRoom) {
  PagedCache cache(4, kBlock);
  Sequence resting;
  Sequence running;
  WriteAndRest(cache, resting, 8);
  PinAndWrite(cache, running, 8);
  EXPECT_EQ(cache.NumCached(resting), 8);
  Write(cache, running, 1);
  EXPECT_EQ(cache.NumCached(resting), 4);
  EXPECT_EQ(cache.pool().num_evictions(), 1);
  ExpectValid(cache, {&resting, &running});
}

TEST(PagedCacheTest, TheTailOfARestingSequenceIsEvictedFirst) {
  PagedCache cache(4, kBlock);
  Sequence resting;
  Sequence running;
  WriteAndRest(cache, resting, 15);
  cache.Pin(running);
  for (const int64_t left : {12, 8, 4, 0}) {
    Write(cache, running, kBlock);
    EXPECT_EQ(cache.NumCached(resting), left);
  }
  ExpectValid(cache, {&resting, &running});
}

TEST(PagedCacheTest, TheSequenceThatRestsLongestIsEvictedFirst) {
  PagedCache cache(4, kBlock);
  Sequence first;
  Sequence second;
  Sequence running;
  WriteAndRest(cache, first, 8);
  WriteAndRest(cache, second, 8);
  PinAndWrite(cache, running, 8);
  EXPECT_EQ(cache.NumCached(first), 0);
  EXPECT_EQ(cache.NumCached(second), 8);
}

TEST(PagedCacheTest, ASequenceThatRunsAgainKeepsItsTokensUpToTheFirstEvictedBlock) {
  PagedCache cache(4, kBlock);
  Sequence resting;
  Sequence running;
  WriteAndRest(cache, resting, 14);
  PinAndWrite(cache, running, 5);
  EXPECT_EQ(resting.num_tokens(), 14);
  cache.Clear(running);
  cache.Pin(resting);
  EXPECT_EQ(resting.num_tokens(), 8);
  EXPECT_EQ(resting.blocks().size(), 2u);
  ExpectValid(cache, {&resting, &running});
  Write(cache, resting, 6);
  EXPECT_EQ(cache.pool().tokens_stored(), 14);
}

TEST(PagedCacheTest, AForkSharesBlocksAndCostsNone) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 10);
  cache.Fork(parent, 6, child);
  EXPECT_EQ(child.num_tokens(), 6);
  EXPECT_EQ(Blocks(child), (std::vector<int32_t>{parent.blocks()[0], parent.blocks()[1]}));
  EXPECT_EQ(cache.pool().num_free(), 1);
  EXPECT_EQ(cache.pool().tokens_stored(), 10);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, AForkOfAnEvictedSequenceHasWhatIsLeft) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence other;
  Sequence child;
  WriteAndRest(cache, parent, 14);
  WriteAndRest(cache, other, 8);
  cache.Fork(parent, 13, child);
  EXPECT_EQ(child.num_tokens(), 8);
  ExpectValid(cache, {&parent, &other, &child});
}

TEST(PagedCacheTest, AForkOfNothingIsEmpty) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 5);
  cache.Fork(parent, 0, child);
  EXPECT_EQ(child.num_tokens(), 0);
  EXPECT_TRUE(child.blocks().empty());
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, AForkAtABlocksEndNeedsNoCopy) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 8);
  cache.Fork(parent, 4, child);
  cache.Pin(child);
  const Growth growth = Write(cache, child, 3);
  EXPECT_EQ(growth.copy_from, kNoBlock);
  EXPECT_NE(child.blocks()[1], parent.blocks()[1]);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, ASharedBlockIsCopiedBeforeItIsWritten) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 6);
  cache.Fork(parent, 6, child);
  cache.Pin(child);
  const Growth growth = Write(cache, child, 1);
  EXPECT_EQ(growth.copy_from, parent.blocks()[1]);
  EXPECT_EQ(growth.copy_to, child.blocks()[1]);
  EXPECT_NE(growth.copy_from, growth.copy_to);
  EXPECT_EQ(child.blocks()[0], parent.blocks()[0]);
  EXPECT_EQ(cache.NumCached(parent), 6);
  EXPECT_EQ(cache.pool().tokens_stored(), 9);
  ExpectValid(cache, {&parent, &child});
  // The parent has its block to itself again.
  cache.Pin(parent);
  EXPECT_EQ(Write(cache, parent, 1).copy_from, kNoBlock);
}

TEST(PagedCacheTest, TheParentCopiesTooWhenItWritesFirst) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  PinAndWrite(cache, parent, 6);
  cache.Fork(parent, 5, child);
  const int32_t shared = parent.blocks()[1];
  EXPECT_EQ(Write(cache, parent, 1).copy_from, shared);
  EXPECT_EQ(child.blocks()[1], shared);
  EXPECT_EQ(cache.NumCached(child), 5);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, BothWritersOfOneStepCopyWhatTheyShare) {
  PagedCache cache(4, kBlock);
  Sequence a;
  Sequence b;
  PinAndWrite(cache, a, 2);
  cache.Fork(a, 2, b);
  cache.Pin(b);
  const int32_t shared = a.blocks()[0];
  const Growth of_a = cache.Reserve(a, 1);
  const Growth of_b = cache.Reserve(b, 1);
  EXPECT_EQ(of_a.copy_from, shared);
  EXPECT_EQ(of_b.copy_from, shared);
  EXPECT_NE(of_a.copy_to, of_b.copy_to);
  cache.Commit(a, 1, of_a);
  cache.Commit(b, 1, of_b);
  EXPECT_EQ(cache.pool().num_free(), 2);  // the shared one is free
  ExpectValid(cache, {&a, &b});
}

TEST(PagedCacheTest, RollbackAfterACopyReturnsToTheSharedBlock) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 6);
  cache.Fork(parent, 6, child);
  cache.Pin(child);
  const auto before = Blocks(child);
  const Growth growth = cache.Reserve(child, 5);
  ASSERT_NE(growth.copy_from, kNoBlock);
  cache.Rollback(child, growth);
  EXPECT_EQ(Blocks(child), before);
  EXPECT_EQ(child.num_tokens(), 6);
  EXPECT_EQ(cache.pool().num_free(), 2);
  ExpectValid(cache, {&parent, &child});
  EXPECT_EQ(Write(cache, child, 1).copy_from, before[1]);
}

TEST(PagedCacheTest, TheCopiedBlockStaysUntilTheCommitThoughItsOthersGo) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 6);
  cache.Fork(parent, 6, child);
  cache.Pin(child);
  const Growth growth = cache.Reserve(child, 1);
  cache.Clear(parent);
  EXPECT_EQ(cache.pool().pins(growth.copy_from), 1);
  EXPECT_EQ(cache.pool().num_free(), 1);
  cache.Commit(child, 1, growth);
  EXPECT_EQ(cache.pool().num_free(), 2);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, WithoutRoomForACopyTheBlockIsSeizedFromThoseWhoRest) {
  PagedCache cache(2, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 8);
  cache.Fork(parent, 6, child);
  cache.Pin(child);
  EXPECT_EQ(cache.TokensThatFit(child), 2);
  const Growth growth = Write(cache, child, 2);
  EXPECT_EQ(growth.copy_from, kNoBlock);
  EXPECT_EQ(child.num_tokens(), 8);
  EXPECT_EQ(cache.NumCached(parent), 4);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, ASeizedBlockCountsOnlyTheTokensOfItsOwner) {
  PagedCache cache(2, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 8);
  cache.Fork(parent, 5, child);
  cache.Pin(child);
  const Growth growth = cache.Reserve(child, 1);
  ASSERT_TRUE(growth.reserved);
  cache.Rollback(child, growth);
  EXPECT_EQ(cache.pool().tokens_stored(), 5);
  EXPECT_EQ(cache.NumCached(parent), 4);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, ABlockIsNotSeizedFromOneThatRuns) {
  PagedCache cache(2, kBlock);
  Sequence a;
  Sequence b;
  PinAndWrite(cache, a, 6);
  cache.Fork(a, 6, b);
  cache.Pin(b);
  EXPECT_EQ(cache.TokensThatFit(a), 0);
  EXPECT_FALSE(cache.Reserve(a, 1).reserved);
  cache.Unpin(b);
  EXPECT_TRUE(cache.Reserve(a, 1).reserved);
  EXPECT_EQ(cache.NumCached(b), 4);
}

TEST(PagedCacheTest, AForkOfAForkSharesWithBoth) {
  PagedCache cache(8, kBlock);
  Sequence parent;
  Sequence child;
  Sequence grandchild;
  WriteAndRest(cache, parent, 10);
  cache.Fork(parent, 9, child);
  cache.Fork(child, 7, grandchild);
  EXPECT_EQ(cache.pool().holders(parent.blocks()[0]), 3);
  EXPECT_EQ(cache.pool().holders(parent.blocks()[2]), 2);
  cache.Clear(child);
  EXPECT_EQ(grandchild.num_tokens(), 7);
  EXPECT_EQ(cache.NumCached(grandchild), 7);
  cache.Clear(parent);
  EXPECT_EQ(cache.NumCached(grandchild), 7);
  EXPECT_EQ(cache.pool().num_free(), 6);
  ExpectValid(cache, {&parent, &child, &grandchild});
}

TEST(PagedCacheTest, ARestingParentLosesItsTailWhileAForkRuns) {
  PagedCache cache(4, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 16);
  cache.Fork(parent, 4, child);
  cache.Pin(child);
  Write(cache, child, 12);
  EXPECT_EQ(cache.NumCached(parent), 4);  // what the fork holds
  EXPECT_EQ(child.num_tokens(), 16);
  ExpectValid(cache, {&parent, &child});
  cache.Pin(parent);
  EXPECT_EQ(parent.num_tokens(), 4);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, RewindGivesBackWholeBlocksAndCountsTheRest) {
  PagedCache cache(8, kBlock);
  Sequence sequence;
  PinAndWrite(cache, sequence, 14);
  cache.Rewind(sequence, 20);
  EXPECT_EQ(sequence.num_tokens(), 14);
  cache.Rewind(sequence, 5);
  EXPECT_EQ(sequence.num_tokens(), 5);
  EXPECT_EQ(cache.pool().tokens_stored(), 5);
  EXPECT_EQ(cache.pool().num_free(), 6);
  ExpectValid(cache, {&sequence});
  cache.Unpin(sequence);
  cache.Rewind(sequence, 4);
  EXPECT_EQ(cache.pool().tokens_stored(), 4);
  ExpectValid(cache, {&sequence});
  cache.Rewind(sequence, 0);
  EXPECT_EQ(cache.pool().num_free(), 8);
  ExpectValid(cache, {&sequence});
}

TEST(PagedCacheTest, RewindIntoASharedBlockLeavesTheOthersTheirTokens) {
  PagedCache cache(8, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 8);
  cache.Fork(parent, 8, child);
  cache.Rewind(child, 5);
  EXPECT_EQ(cache.NumCached(parent), 8);
  EXPECT_EQ(cache.pool().tokens_stored(), 8);
  cache.Pin(child);
  EXPECT_EQ(Write(cache, child, 1).copy_from, parent.blocks()[1]);
  ExpectValid(cache, {&parent, &child});
}

TEST(PagedCacheTest, RewindOfAnEvictedTailNeedsNoBlocks) {
  PagedCache cache(2, kBlock);
  Sequence resting;
  Sequence other;
  WriteAndRest(cache, resting, 8);
  PinAndWrite(cache, other, 4);
  cache.Rewind(resting, 6);
  EXPECT_EQ(resting.num_tokens(), 6);
  EXPECT_EQ(cache.NumCached(resting), 4);
  EXPECT_EQ(cache.pool().filled(other.blocks()[0]), 4);  // the block that was evicted
  ExpectValid(cache, {&resting, &other});
}

TEST(PagedCacheTest, BlocksToPinCountsWhatIsNotPinnedYet) {
  PagedCache cache(8, kBlock);
  Sequence parent;
  Sequence child;
  PinAndWrite(cache, parent, 8);
  cache.Fork(parent, 8, child);
  EXPECT_EQ(cache.BlocksToPin(parent, 12), 1);
  EXPECT_EQ(cache.BlocksToPin(child, 12), 1);
  cache.Unpin(parent);
  EXPECT_EQ(cache.BlocksToPin(child, 12), 3);
  EXPECT_EQ(cache.BlocksToPin(Sequence(), 12), 3);
}

TEST(PagedCacheTest, TokensThatFitCanBeReserved) {
  PagedCache cache(5, kBlock);
  Sequence parent;
  Sequence child;
  WriteAndRest(cache, parent, 7);
  cache.Fork(parent, 6, child);
  cache.Pin(child);
  // Three free blocks, one of them for the copy.
  EXPECT_EQ(cache.TokensThatFit(child), 2 + 2 * kBlock);
  const Growth growth = cache.Reserve(child, cache.TokensThatFit(child));
  EXPECT_TRUE(growth.reserved);
  EXPECT_NE(growth.copy_from, kNoBlock);
}

TEST(PagedCacheTest, WithRoomInTheTableReserveMovesNothing) {
  PagedCache cache(8, kBlock);
  Sequence sequence;
  cache.ReserveTable(sequence, 32);
  PinAndWrite(cache, sequence, 1);
  const int32_t* table = sequence.blocks().data();
  Write(cache, sequence, 31);
  EXPECT_EQ(sequence.blocks().data(), table);
}

TEST(PagedCacheTest, ValidateNamesAHolderThatNobodyKnows) {
  PagedCache cache(2, kBlock);
  Sequence sequence;
  PinAndWrite(cache, sequence, 1);
  EXPECT_TRUE(cache.Validate({&sequence}).ok());
  EXPECT_EQ(cache.Validate({}).message(), "block 0 counts 1 holders and 1 pins; there are 0 and 0");
}

}  // namespace
}  // namespace llmrt::kv
