// What the packing of activations promises to those who place it: sizes, and that parts and tiles
// do not touch each other. That what is packed is right is seen in the products' bits
// (matmul_int8_test.cc).
#include <cstring>
#include <vector>

#include "cpu/cpu_backend.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::WeightType;

constexpr int64_t kBlocks = 5, kRows = 16;
constexpr int64_t kRowBytes = kBlocks * static_cast<int64_t>(sizeof(backend::ActivationBlock));

struct alignas(64) Line {
  uint8_t bytes[64];
};

// Blocks [begin, end) of one tile of `num_rows` rows.
void PackPart(const Packing& packing, const std::vector<uint8_t>& rows, int64_t num_rows,
              backend::Range blocks, std::vector<Line>& out) {
  packing.pack({.rows = rows.data(),
                .row_stride = kRowBytes,
                .num_rows = num_rows,
                .tile_rows = packing.tile(num_rows).rows,
                .begin = blocks.begin,
                .end = blocks.end,
                .out = out.data()->bytes});
}

bool SameBytes(const std::vector<Line>& a, const std::vector<Line>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Line)) == 0;
}

template <typename Fn>
void ForEachPacking(Fn fn) {
  for (const backend::CpuTier tier : TestedTiers()) {
    if (!RunsTier(tier)) continue;
    for (int type = 0; type < backend::kWeightTypeCount; ++type) {
      const Packing& packing = KernelsOf(tier).packing[type];
      EXPECT_EQ(packing.tile == nullptr, packing.pack == nullptr);
      if (packing.tile == nullptr) continue;
      SCOPED_TRACE(testing::Message() << TierName(tier) << " type " << type);
      fn(packing);
    }
  }
}

TEST(ActivationTilesTest, ATileHoldsItsRowsInWholeCacheLines) {
  ForEachPacking([](const Packing& packing) {
    for (int64_t rows = 1; rows <= 40; ++rows) {
      const RowTile tile = packing.tile(rows);
      EXPECT_GE(tile.rows, std::min<int64_t>(rows, 16));
      EXPECT_LE(tile.rows, 16);
      EXPECT_EQ(tile.block_bytes % 64, 0);
      EXPECT_GE(tile.block_bytes, tile.rows * 36);  // 32 values and a scale each
      if (tile.rows == 1) EXPECT_LE(tile.block_bytes, 128) << "kColsMax counts on it";
    }
  });
}

TEST(ActivationTilesTest, PartsMakeTheWholeAndNothingElseIsWritten) {
  ForEachPacking([](const Packing& packing) {
    ops::Random random(5);
    std::vector<uint8_t> rows(kRows * kRowBytes);
    for (uint8_t& byte : rows) byte = static_cast<uint8_t>(random() >> 8);
    for (const int64_t count : {1, 2, 3, 7, 16}) {
      const int64_t lines = packing.tile(count).block_bytes / 64;
      const Line untouched = {{0x5a, 0x5b}};
      std::vector<Line> whole(kBlocks * lines, untouched), parts(kBlocks * lines, untouched);
      PackPart(packing, rows, count, {0, kBlocks}, whole);
      PackPart(packing, rows, count, {3, kBlocks}, parts);
      for (int64_t i = 0; i < 3 * lines; ++i) {
        EXPECT_EQ(std::memcmp(&parts[i], &untouched, 64), 0) << "line " << i;
      }
      PackPart(packing, rows, count, {0, 3}, parts);
      EXPECT_TRUE(SameBytes(whole, parts)) << count << " rows";
    }
  });
}

TEST(ActivationTilesTest, RowsBeyondTheLastAreNotRead) {
  ForEachPacking([](const Packing& packing) {
    ops::Random random(6);
    std::vector<uint8_t> rows(kRows * kRowBytes);
    for (uint8_t& byte : rows) byte = static_cast<uint8_t>(random() >> 8);
    std::vector<uint8_t> others = rows;
    std::memset(others.data() + 3 * kRowBytes, 0xff, others.size() - 3 * kRowBytes);
    const int64_t lines = packing.tile(3).block_bytes / 64;
    std::vector<Line> a(kBlocks * lines, Line{}), b(kBlocks * lines, Line{{1}});
    PackPart(packing, rows, 3, {0, kBlocks}, a);
    PackPart(packing, others, 3, {0, kBlocks}, b);
    EXPECT_TRUE(SameBytes(a, b));
  });
}

}  // namespace
}  // namespace llmrt::cpu
