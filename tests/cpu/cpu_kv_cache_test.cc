// The CPU backend's cache: keys transposed inside, the layout of kv_shape.h outside.
#include "cpu/cpu_kv_cache.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/cpu_cache.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::KvShape;
using backend::KvType;

std::vector<uint8_t> RandomBytes(int64_t count) {
  ops::Random random(5);
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

constexpr KvShape kShapes[] = {
    {.num_layers = 2, .num_kv_heads = 3, .head_dim = 20, .block_size = 16, .type = KvType::kF16},
    {.num_layers = 1, .num_kv_heads = 1, .head_dim = 64, .block_size = 5, .type = KvType::kF32},
    {.num_layers = 3, .num_kv_heads = 2, .head_dim = 1, .block_size = 32, .type = KvType::kBF16},
    {.num_layers = 1, .num_kv_heads = 2, .head_dim = 80, .block_size = 1, .type = KvType::kF16},
};

TEST(CpuKvCacheTest, WhatIsWrittenIsReadBackInThePlainLayout) {
  for (const KvShape& shape : kShapes) {
    auto owned = CpuKvCache::Create(TestMemory(), shape, 3).value();
    auto& cache = static_cast<CpuKvCache&>(*owned);
    const std::vector<uint8_t> bytes = RandomBytes(3 * shape.BlockBytes());
    SetPlainBytes(cache, bytes);
    EXPECT_EQ(PlainBytes(cache), bytes);
    ASSERT_TRUE(cache.CopyBlocks({{.from = 2, .to = 0}}).ok());
    std::vector<uint8_t> copied = bytes;
    std::memcpy(copied.data(), bytes.data() + 2 * shape.BlockBytes(), shape.BlockBytes());
    EXPECT_EQ(PlainBytes(cache), copied);
  }
}

TEST(CpuKvCacheTest, KeysLieDimByDimAndValuesKeyByKey) {
  for (const KvShape& shape : kShapes) {
    auto owned = CpuKvCache::Create(TestMemory(), shape, 2).value();
    auto& cache = static_cast<CpuKvCache&>(*owned);
    const std::vector<uint8_t> bytes = RandomBytes(2 * shape.BlockBytes());
    SetPlainBytes(cache, bytes);
    const int32_t layer = shape.num_layers - 1, head = shape.num_kv_heads - 1;
    const int64_t size = backend::KvElementBytes(shape.type);
    const uint8_t* keys = bytes.data() + shape.BlockBytes() + shape.TileOffset(layer, 0, head);
    const uint8_t* values = bytes.data() + shape.BlockBytes() + shape.TileOffset(layer, 1, head);
    EXPECT_EQ(std::memcmp(cache.ValueTile(1, layer, head), values, shape.TileBytes()), 0);
    for (int64_t slot = 0; slot < shape.block_size; ++slot) {
      for (int64_t d = 0; d < shape.head_dim; ++d) {
        ASSERT_EQ(std::memcmp(cache.KeyTile(1, layer, head) + (d * shape.block_size + slot) * size,
                              keys + (slot * shape.head_dim + d) * size, size),
                  0);
      }
    }
  }
}

TEST(CpuKvCacheTest, AScatteredKeyLandsInItsSlotOnly) {
  for (const KvShape& shape : kShapes) {
    auto owned = CpuKvCache::Create(TestMemory(), shape, 1).value();
    auto& cache = static_cast<CpuKvCache&>(*owned);
    std::vector<uint8_t> expected(static_cast<size_t>(shape.BlockBytes()), 0xff);
    SetPlainBytes(cache, expected);
    const int64_t slot = shape.block_size - 1;
    const int64_t key_bytes = shape.head_dim * backend::KvElementBytes(shape.type);
    const std::vector<uint8_t> key = RandomBytes(key_bytes);
    cache.ScatterKey(key.data(), slot, cache.KeyTile(0, 0, 0));
    std::memcpy(expected.data() + slot * key_bytes, key.data(), key.size());
    EXPECT_EQ(PlainBytes(cache), expected);
  }
}

TEST(CpuKvCacheTest, BlocksAndSizesThatDoNotExistAreRefused) {
  auto owned = CpuKvCache::Create(TestMemory(), kShapes[0], 2).value();
  auto& cache = static_cast<CpuKvCache&>(*owned);
  std::vector<uint8_t> bytes(static_cast<size_t>(kShapes[0].BlockBytes()));
  EXPECT_FALSE(cache.WriteBlock(2, bytes).ok());
  EXPECT_FALSE(cache.WriteBlock(-1, bytes).ok());
  EXPECT_FALSE(cache.ReadBlock(2, absl::MakeSpan(bytes)).ok());
  EXPECT_FALSE(cache.CopyBlocks({{.from = 0, .to = 2}}).ok());
  bytes.pop_back();
  EXPECT_FALSE(cache.WriteBlock(0, bytes).ok());
  EXPECT_FALSE(cache.ReadBlock(0, absl::MakeSpan(bytes)).ok());
  EXPECT_FALSE(CpuKvCache::Create(TestMemory(), kShapes[0], -1).ok());
  EXPECT_FALSE(CpuKvCache::Create(TestMemory(), {}, 1).ok());
}

}  // namespace
}  // namespace llmrt::cpu
