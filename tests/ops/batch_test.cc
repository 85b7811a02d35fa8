#include "ops/batch.h"

#include <vector>

#include "gtest/gtest.h"
#include "ops/host_storage.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

using backend::Batch;

TEST(BatchTest, ARangeMustLieInsideItsLimit) {
  EXPECT_TRUE(CheckRange("Op", {0, 0}, 0).ok());
  EXPECT_TRUE(CheckRange("Op", {2, 5}, 5).ok());
  EXPECT_FALSE(CheckRange("Op", {-1, 5}, 5).ok());
  EXPECT_FALSE(CheckRange("Op", {3, 2}, 5).ok());
  EXPECT_FALSE(CheckRange("Op", {0, 6}, 5).ok());
  EXPECT_EQ(CheckRange("Op", {0, 6}, 5).message(), "Op: range 0 to 6 is not inside 0 to 5");
}

TEST(BatchTest, SpansMustAgreeAndIndicesMustExist) {
  OwnedBatch batch;
  const std::vector<int32_t> table = {0};
  batch.tables.emplace_back(table);
  batch.Add(0, 3);
  EXPECT_TRUE(CheckBatch(batch.View(), {}).ok());
  EXPECT_EQ(NumKeys(batch.View(), 0), 4);
  batch.positions[0] = -1;
  EXPECT_FALSE(CheckBatch(batch.View(), {}).ok());
  batch.positions[0] = 0;
  batch.sequences[0] = 1;
  EXPECT_FALSE(CheckBatch(batch.View(), {}).ok());
  batch.sequences[0] = -1;
  EXPECT_FALSE(CheckBatch(batch.View(), {}).ok());
  batch.sequences.clear();
  EXPECT_FALSE(CheckBatch(batch.View(), {}).ok());
}

TEST(BatchTest, BlockTablesMustCoverThePositionsInsideTheCache) {
  memory::LargeMemory memory(0);
  const backend::KvShape shape = {
      .num_layers = 1, .num_kv_heads = 1, .head_dim = 4, .block_size = 16};
  auto cache = HostKvCache::Create(memory, shape, 3).value();
  OwnedBatch batch;
  std::vector<int32_t> table = {2, 0};
  batch.tables.emplace_back(table);
  batch.Add(0, 31);
  EXPECT_TRUE(CheckBlockTables(batch.View(), *cache, {0, 1}).ok());
  EXPECT_TRUE(HasBlocks(batch.View(), *cache));
  batch.positions[0] = 32;
  EXPECT_FALSE(CheckBlockTables(batch.View(), *cache, {0, 1}).ok()) << "a third block is missing";
  EXPECT_FALSE(HasBlocks(batch.View(), *cache));
  EXPECT_TRUE(CheckBlockTables(batch.View(), *cache, {0, 0}).ok())
      << "only rows of the range count";
  batch.positions[0] = 5;
  table[0] = 3;
  EXPECT_FALSE(CheckBlockTables(batch.View(), *cache, {0, 1}).ok());
  table[0] = -1;
  EXPECT_FALSE(CheckBlockTables(batch.View(), *cache, {0, 1}).ok());
}

}  // namespace
}  // namespace llmrt::ops
