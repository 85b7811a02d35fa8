#include "kv/block_pool.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace llmrt::kv {
namespace {

TEST(BlockPoolTest, HandsOutEveryBlockOnce) {
  BlockPool pool(5);
  std::set<int32_t> seen;
  for (int i = 0; i < 5; ++i) seen.insert(pool.Allocate().value());
  EXPECT_EQ(seen, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.num_free(), 0);
  EXPECT_TRUE(pool.Validate().ok());
}

TEST(BlockPoolTest, ExhaustionIsAStatusWithTheNumberOfBlocks) {
  BlockPool pool(2);
  ASSERT_TRUE(pool.Allocate().ok());
  ASSERT_TRUE(pool.Allocate().ok());
  const absl::StatusOr<int32_t> block = pool.Allocate();
  EXPECT_EQ(block.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(block.status().message().find("all 2 KV blocks"), std::string_view::npos);
}

TEST(BlockPoolTest, AnEmptyPoolIsExhausted) {
  BlockPool pool(0);
  EXPECT_FALSE(pool.Allocate().ok());
  EXPECT_TRUE(pool.Validate().ok());
}

TEST(BlockPoolTest, SharedBlockSurvivesFirstRelease) {
  BlockPool pool(1);
  const int32_t block = pool.Allocate().value();
  pool.AddReference(block);
  EXPECT_FALSE(pool.Release(block));
  EXPECT_EQ(pool.num_used(), 1);
  EXPECT_TRUE(pool.Release(block));
  EXPECT_EQ(pool.num_used(), 0);
}

TEST(BlockPoolTest, BlockFreedLastIsHandedOutFirst) {
  BlockPool pool(4);
  const int32_t first = pool.Allocate().value();
  ASSERT_TRUE(pool.Allocate().ok());
  pool.Release(first);
  EXPECT_EQ(pool.Allocate().value(), first);
}

TEST(BlockPoolTest, RandomOperationsKeepTheInvariants) {
  const uint32_t seed = 20240611;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  BlockPool pool(37);
  std::vector<int32_t> owned;  // one entry a reference
  for (int step = 0; step < 100000; ++step) {
    const uint32_t choice = random() % 3;
    if (choice == 0) {
      absl::StatusOr<int32_t> block = pool.Allocate();
      ASSERT_EQ(block.ok(), std::set<int32_t>(owned.begin(), owned.end()).size() < 37);
      if (block.ok()) owned.push_back(*block);
    } else if (!owned.empty()) {
      const size_t i = random() % owned.size();
      if (choice == 1) {
        pool.AddReference(owned[i]);
        owned.push_back(owned[i]);
      } else {
        pool.Release(owned[i]);
        owned[i] = owned.back();
        owned.pop_back();
      }
    }
    if (step % 100 == 0) {
      ASSERT_TRUE(pool.Validate().ok()) << pool.Validate();
    }
  }
}

}  // namespace
}  // namespace llmrt::kv
