#include "kv/block_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace llmrt::kv {
namespace {

// Pinned, cached and free blocks.
void ExpectCounts(const BlockPool& pool, int32_t pinned, int32_t cached, int32_t free) {
  EXPECT_EQ(pool.num_pinned(), pinned);
  EXPECT_EQ(pool.num_cached(), cached);
  EXPECT_EQ(pool.num_free(), free);
  EXPECT_EQ(pool.num_available(), cached + free);
  EXPECT_TRUE(pool.Validate().ok()) << pool.Validate();
}

// Allocates and lets it rest: cached, with one holder.
BlockRef Cache(BlockPool& pool) {
  const BlockRef ref = pool.Allocate();
  pool.Unpin(ref.block);
  return ref;
}

TEST(BlockPoolTest, ANewPoolIsFree) {
  ExpectCounts(BlockPool(5), 0, 0, 5);
  EXPECT_EQ(BlockPool(5).tokens_stored(), 0);
}

TEST(BlockPoolTest, AllocateHandsOutEachBlockOnceInAscendingOrder) {
  BlockPool pool(3);
  for (int32_t block = 0; block < 3; ++block) EXPECT_EQ(pool.Allocate().block, block);
  EXPECT_EQ(pool.Allocate().block, kNoBlock);
  ExpectCounts(pool, 3, 0, 0);
}

TEST(BlockPoolTest, AnAllocatedBlockHasOneHolderAndOnePin) {
  BlockPool pool(2);
  const BlockRef ref = pool.Allocate();
  EXPECT_EQ(pool.holders(ref.block), 1);
  EXPECT_EQ(pool.pins(ref.block), 1);
  EXPECT_EQ(pool.filled(ref.block), 0);
  EXPECT_TRUE(pool.IsCurrent(ref));
}

TEST(BlockPoolTest, TheBlockFreedLastIsTakenFirst) {
  BlockPool pool(3);
  const BlockRef a = pool.Allocate();
  const BlockRef b = pool.Allocate();
  pool.DropPinned(a.block);
  pool.DropPinned(b.block);
  EXPECT_EQ(pool.Allocate().block, b.block);
  EXPECT_EQ(pool.Allocate().block, a.block);
}

TEST(BlockPoolTest, ASharedBlockSurvivesTheFirstRelease) {
  BlockPool pool(2);
  const BlockRef ref = pool.Allocate();
  pool.Share(ref);
  pool.DropPinned(ref.block);
  EXPECT_TRUE(pool.IsCurrent(ref));
  EXPECT_EQ(pool.holders(ref.block), 1);
  ExpectCounts(pool, 0, 1, 1);
  pool.Drop(ref);
  EXPECT_FALSE(pool.IsCurrent(ref));
  ExpectCounts(pool, 0, 0, 2);
}

TEST(BlockPoolTest, ABlockRestsWithItsLastPinOnly) {
  BlockPool pool(2);
  const BlockRef ref = pool.Allocate();
  pool.Share(ref);
  ASSERT_TRUE(pool.Pin(ref));
  pool.Unpin(ref.block);
  ExpectCounts(pool, 1, 0, 1);
  pool.Unpin(ref.block);
  ExpectCounts(pool, 0, 1, 1);
  ASSERT_TRUE(pool.Pin(ref));
  ExpectCounts(pool, 1, 0, 1);
}

TEST(BlockPoolTest, AHolderWithoutAPinLeavesThoseWhoRunAlone) {
  BlockPool pool(1);
  const BlockRef ref = pool.Allocate();
  pool.Share(ref);
  pool.Drop(ref);
  EXPECT_EQ(pool.holders(ref.block), 1);
  EXPECT_EQ(pool.pins(ref.block), 1);
  ExpectCounts(pool, 1, 0, 0);
}

TEST(BlockPoolTest, FreeBlocksAreTakenBeforeCachedOnes) {
  BlockPool pool(2);
  const BlockRef cached = Cache(pool);
  EXPECT_NE(pool.Allocate().block, cached.block);
  EXPECT_TRUE(pool.IsCurrent(cached));
  EXPECT_EQ(pool.num_evictions(), 0);
}

TEST(BlockPoolTest, TheBlockThatRestedLongestIsEvictedFirst) {
  BlockPool pool(3);
  const BlockRef refs[] = {pool.Allocate(), pool.Allocate(), pool.Allocate()};
  for (const int i : {1, 0, 2}) pool.Unpin(refs[i].block);
  for (const int i : {1, 0, 2}) {
    EXPECT_TRUE(pool.IsCurrent(refs[i]));
    EXPECT_EQ(pool.Allocate().block, refs[i].block);
    EXPECT_FALSE(pool.IsCurrent(refs[i]));
  }
  EXPECT_EQ(pool.num_evictions(), 3);
  EXPECT_EQ(pool.Allocate().block, kNoBlock);
}

TEST(BlockPoolTest, ABlockThatRanAgainIsTheLastToBeEvicted) {
  BlockPool pool(3);
  const BlockRef a = Cache(pool);
  const BlockRef b = Cache(pool);
  const BlockRef c = Cache(pool);
  ASSERT_TRUE(pool.Pin(b));  // out of the middle of the list
  pool.Unpin(b.block);
  ASSERT_TRUE(pool.Pin(a));  // from its old end
  pool.Unpin(a.block);
  ExpectCounts(pool, 0, 3, 0);
  EXPECT_EQ(pool.Allocate().block, c.block);
  EXPECT_EQ(pool.Allocate().block, b.block);
  EXPECT_EQ(pool.Allocate().block, a.block);
}

TEST(BlockPoolTest, TheNewestCachedBlockCanLeaveTheList) {
  BlockPool pool(3);
  const BlockRef a = Cache(pool);
  const BlockRef b = Cache(pool);
  pool.Drop(b);
  ExpectCounts(pool, 0, 1, 2);
  const BlockRef c = Cache(pool);
  ExpectCounts(pool, 0, 2, 1);
  pool.Drop(a);
  pool.Drop(c);
  ExpectCounts(pool, 0, 0, 3);
}

TEST(BlockPoolTest, AnEvictedBlockIsLostToAllItsHolders) {
  BlockPool pool(1);
  const BlockRef old = Cache(pool);
  pool.Share(old);
  const BlockRef now = pool.Allocate();
  ASSERT_EQ(now.block, old.block);
  EXPECT_FALSE(pool.Pin(old));
  pool.Drop(old);
  pool.Drop(old);
  EXPECT_EQ(pool.holders(now.block), 1);
  EXPECT_TRUE(pool.IsCurrent(now));
  ExpectCounts(pool, 1, 0, 0);
}

TEST(BlockPoolTest, AReferenceToAFreedBlockMatchesNeitherItNorItsNextUse) {
  BlockPool pool(1);
  const BlockRef old = pool.Allocate();
  pool.DropPinned(old.block);
  EXPECT_FALSE(pool.IsCurrent(old));
  pool.Drop(old);
  ExpectCounts(pool, 0, 0, 1);
  pool.Allocate();
  EXPECT_FALSE(pool.IsCurrent(old));
}

TEST(BlockPoolTest, SeizeTakesABlockFromThoseWhoRest) {
  BlockPool pool(2);
  const BlockRef shared = pool.Allocate();
  pool.Share(shared);
  const BlockRef mine = pool.Seize(shared.block);
  EXPECT_EQ(mine.block, shared.block);
  EXPECT_TRUE(pool.IsCurrent(mine));
  EXPECT_FALSE(pool.IsCurrent(shared));
  EXPECT_EQ(pool.holders(mine.block), 1);
  pool.Drop(shared);  // it was theirs no more
  ExpectCounts(pool, 1, 0, 1);
}

TEST(BlockPoolTest, StoredTokensAreThoseOfPinnedAndCachedBlocks) {
  BlockPool pool(2);
  const BlockRef a = pool.Allocate();
  const BlockRef b = pool.Allocate();
  pool.SetFilled(a.block, 16);
  pool.SetFilled(b.block, 3);
  EXPECT_EQ(pool.tokens_stored(), 19);
  pool.SetFilled(b.block, 1);
  EXPECT_EQ(pool.tokens_stored(), 17);
  pool.Unpin(a.block);
  EXPECT_EQ(pool.tokens_stored(), 17);
  pool.DropPinned(b.block);
  EXPECT_EQ(pool.tokens_stored(), 16);
  pool.Allocate();
  EXPECT_EQ(pool.Allocate().block, a.block);  // evicted
  EXPECT_EQ(pool.tokens_stored(), 0);
  ExpectCounts(pool, 2, 0, 0);
}

TEST(BlockPoolTest, APoolWithoutBlocksGivesNone) {
  BlockPool pool(0);
  EXPECT_EQ(pool.Allocate().block, kNoBlock);
  ExpectCounts(pool, 0, 0, 0);
}

}  // namespace
}  // namespace llmrt::kv
