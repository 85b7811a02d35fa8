// Rows in tiles, for every tier that wants them so: whatever the cut into tasks, the same bytes;
// zeros for rows that are not there; nothing beside the blocks asked for. What the bytes mean only
// the kernels know: the tests of products read them.
#include <algorithm>
#include <string>
#include <vector>

#include "cpu/cpu_features.h"
#include "cpu/kernel_table.h"
#include "cpu/product_walk.h"
#include "gtest/gtest.h"
#include "ops/prepare.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::CpuTier;
using backend::WeightType;

constexpr int64_t kCols = 512, kBlocks = kCols / backend::kActivationBlockValues;

// Tables whose instructions this processor has.
std::vector<const KernelTable*> Tables() {
  std::vector<const KernelTable*> tables = {&kPortableKernels};
#if defined(__x86_64__)
  if (HasAvx2()) tables.push_back(&kAvx2Kernels);
  if (HasAvx512()) tables.push_back(&kAvx512Kernels);
  if (HasVnni()) tables.push_back(&kVnniKernels);
#endif
  return tables;
}

// Calls check(packing, name of the type) for each type that has a packing.
template <typename Fn>
void ForEachPacking(Fn check) {
  for (const KernelTable* table : Tables()) {
    for (const WeightType type : ops::kAllWeightTypes) {
      const Packing& packing = table->packing[static_cast<int>(type)];
      ASSERT_EQ(packing.tile == nullptr, packing.pack == nullptr);
      if (packing.tile != nullptr) check(packing, std::string(backend::GeometryOf(type).name));
    }
  }
}

struct Rows {
  explicit Rows(int64_t count) : bytes(count * kStride) {
    ops::Random random(61);
    const std::vector<float> in = ops::RandomFloats(random, count * kCols, ops::Spread::kNormal);
    ops::OraclePrepare({.in = in.data(),
                        .cols = kCols,
                        .format = backend::ActivationFormat::kInt8,
                        .out = bytes.data()},
                       {0, count});
  }
  static constexpr int64_t kStride = kBlocks * int64_t{sizeof(backend::ActivationBlock)};
  std::vector<uint8_t> bytes;
};

// Blocks [begin, end) of a tile of `rows`, written into a place full of `fill`; all its bytes.
std::vector<uint8_t> PackInto(const Packing& packing, const Rows& rows, int64_t num_rows,
                              RowTile tile, std::vector<int64_t> cuts, uint8_t fill) {
  constexpr int64_t kMargin = 64;
  const int64_t bytes = kBlocks * tile.block_bytes;
  std::vector<uint8_t> storage(bytes + 2 * kMargin, fill);
  const auto address = reinterpret_cast<uintptr_t>(storage.data());
  uint8_t* out = storage.data() + (kMargin - address % kMargin);
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    packing.pack({.rows = rows.bytes.data(),
                  .row_stride = Rows::kStride,
                  .num_rows = num_rows,
                  .tile_rows = tile.rows,
                  .begin = cuts[i],
                  .end = cuts[i + 1],
                  .out = out});
  }
  for (uint8_t* byte = storage.data(); byte < storage.data() + storage.size(); ++byte) {
    if (byte < out || byte >= out + bytes) {
      EXPECT_EQ(*byte, fill) << "written beside the tile";
    }
  }
  return {out, out + bytes};
}

TEST(PackActivationsTest, TilesAreSizedAsTheWalkAssumes) {
  ForEachPacking([](const Packing& packing, const std::string& name) {
    for (int64_t rows = 1; rows <= 130; ++rows) {
      const RowTile tile = packing.tile(rows);
      ASSERT_GE(tile.rows, 1) << name;
      ASSERT_EQ(16 % tile.rows, 0) << name << ": a pass has whole tiles of 16 rows";
      ASSERT_EQ(tile.block_bytes % 64, 0) << name << ": tiles are aligned";
      ASSERT_GE(tile.block_bytes, tile.rows * int64_t{sizeof(float) + 32}) << name;
    }
    EXPECT_LE(packing.tile(1).block_bytes, 128) << name << ": kColsMax counts on it";
    EXPECT_LE(kColsMax / 32 * packing.tile(1).block_bytes, kPackedBytes) << name;
  });
}

TEST(PackActivationsTest, TasksOfBlocksTogetherPackTheTile) {
  const Rows rows(16);
  ForEachPacking([&](const Packing& packing, const std::string& name) {
    for (const int64_t num_rows : {1, 2, 3, 4, 5, 8, 9, 16}) {
      const RowTile tile = packing.tile(num_rows);
      const auto whole = PackInto(packing, rows, num_rows, tile, {0, kBlocks}, 0);
      const auto parts = PackInto(packing, rows, num_rows, tile, {0, 1, 5, kBlocks}, 0);
      EXPECT_EQ(whole, parts) << name << " " << num_rows;
      const auto some = PackInto(packing, rows, num_rows, tile, {3, 7}, 0xa5);
      const auto untouched = [](uint8_t byte) { return byte == 0xa5; };
      EXPECT_TRUE(std::all_of(some.begin(), some.begin() + 3 * tile.block_bytes, untouched))
          << name;
      EXPECT_TRUE(std::all_of(some.begin() + 7 * tile.block_bytes, some.end(), untouched)) << name;
    }
  });
}

// A tile that is not full is a full one whose last rows are zeros, and does not depend on what lay
// in the buffer: NaN times zero is no zero.
TEST(PackActivationsTest, MissingRowsAreZeros) {
  const Rows rows(16);
  ForEachPacking([&](const Packing& packing, const std::string& name) {
    for (int64_t num_rows = 1; num_rows <= 32; ++num_rows) {
      const RowTile tile = packing.tile(num_rows);
      const int64_t present = num_rows % tile.rows;  // of the last tile
      if (present == 0) continue;
      Rows with_zeros = rows;
      std::fill(with_zeros.bytes.begin() + present * Rows::kStride, with_zeros.bytes.end(), 0);
      // Places that no kernel reads for the type are left alone where all rows exist.
      const auto full = PackInto(packing, with_zeros, tile.rows, tile, {0, kBlocks}, 0);
      const auto clean = PackInto(packing, rows, present, tile, {0, kBlocks}, 0);
      const auto dirty = PackInto(packing, rows, present, tile, {0, kBlocks}, 0xff);
      EXPECT_EQ(clean, full) << name << " " << num_rows;
      EXPECT_EQ(clean, dirty) << name << " " << num_rows;
    }
  });
}

}  // namespace
}  // namespace llmrt::cpu
