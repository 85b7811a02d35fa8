#include "kv/block_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace llmrt::kv {
namespace {

TEST(BlockTableTest, ReservesWholeBlocks) {
  BlockPool pool(10);
  BlockTable table(16);
  ASSERT_TRUE(table.Reserve(1, pool).ok());
  EXPECT_EQ(table.blocks().size(), 1u);
  ASSERT_TRUE(table.Reserve(16, pool).ok());
  EXPECT_EQ(table.blocks().size(), 1u);
  ASSERT_TRUE(table.Reserve(17, pool).ok());
  EXPECT_EQ(table.blocks().size(), 2u);
  EXPECT_EQ(table.capacity(), 32);
}

TEST(BlockTableTest, ReserveNeverMovesBlocksThatItHas) {
  BlockPool pool(10);
  BlockTable table(16);
  ASSERT_TRUE(table.Reserve(40, pool).ok());
  const std::vector<int32_t> before(table.blocks().begin(), table.blocks().end());
  ASSERT_TRUE(table.Reserve(100, pool).ok());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), table.blocks().begin()));
}

TEST(BlockTableTest, FailedReserveChangesNothing) {
  BlockPool pool(3);
  BlockTable table(16);
  ASSERT_TRUE(table.Reserve(20, pool).ok());
  EXPECT_EQ(table.Reserve(100, pool).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(table.blocks().size(), 2u);
  EXPECT_EQ(pool.num_free(), 1);
}

TEST(BlockTableTest, TruncateKeepsTheBlockOfTheLastToken) {
  BlockPool pool(10);
  BlockTable table(16);
  ASSERT_TRUE(table.Reserve(64, pool).ok());
  table.Truncate(17, pool);
  EXPECT_EQ(table.blocks().size(), 2u);
  table.Truncate(16, pool);
  EXPECT_EQ(table.blocks().size(), 1u);
  table.Truncate(0, pool);
  EXPECT_EQ(table.blocks().size(), 0u);
  EXPECT_EQ(pool.num_used(), 0);
}

TEST(BlockTableTest, TablesNeverShareABlockByThemselves) {
  const uint32_t seed = 77;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  BlockPool pool(64);
  std::vector<BlockTable> tables(8, BlockTable(16));
  for (int step = 0; step < 20000; ++step) {
    BlockTable& table = tables[random() % tables.size()];
    const int64_t tokens = random() % 300;
    if (random() % 2 == 0) {
      (void)table.Reserve(tokens, pool);
    } else {
      table.Truncate(tokens, pool);
    }
    std::multiset<int32_t> used;
    for (const BlockTable& each : tables) used.insert(each.blocks().begin(), each.blocks().end());
    ASSERT_EQ(used.size(), std::set<int32_t>(used.begin(), used.end()).size());
    ASSERT_EQ(static_cast<int32_t>(used.size()), pool.num_used());
  }
  EXPECT_TRUE(pool.Validate().ok());
}

}  // namespace
}  // namespace llmrt::kv
