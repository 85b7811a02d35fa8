// Attention on the device against the oracles, bit for bit: whatever the batch, the tiles, the
// variant, the splits and the pages.
#include "cuda/kernels/attention.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "cuda/kernels/attention_case.h"
#include "cuda/test_device.h"

namespace llmrt::cuda {
namespace {

constexpr Element kElements[] = {Element::kF32, Element::kF16, Element::kBF16};
constexpr Element kMmaElements[] = {Element::kF16, Element::kBF16};
constexpr AttentionVariant kVariants[] = {AttentionVariant::kColumns8,
                                          AttentionVariant::kColumns32};
const std::vector<int32_t> kEdges = {0, 1, 14, 15, 16, 62, 63, 64, 254, 255, 256, 257, 599};

// Bits; NaN is NaN, whatever its payload: device and host propagate it differently.
std::vector<uint32_t> BitsOf(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) {
    const bool written_nan = std::isnan(value) && std::bit_cast<uint32_t>(value) != 0xffffffffu;
    bits.push_back(written_nan ? 0x7fc00000u : std::bit_cast<uint32_t>(value));
  }
  return bits;
}

std::vector<AttentionRow> RowsAt(const std::vector<int32_t>& positions, int32_t sequence = 0) {
  std::vector<AttentionRow> rows;
  for (const int32_t position : positions) rows.push_back({sequence, position});
  return rows;
}

std::vector<AttentionRow> RowsFrom(int32_t first, int32_t count, int32_t sequence = 0) {
  std::vector<AttentionRow> rows;
  for (int32_t i = 0; i < count; ++i) rows.push_back({sequence, first + i});
  return rows;
}

// Cuts rows [first, first + count) of a batch into tiles of `size`.
void AddTiles(std::vector<AttentionTile>& tiles, int32_t first, int32_t count, int32_t size) {
  for (int32_t i = 0; i < count; i += size) tiles.push_back({first + i, std::min(size, count - i)});
}

class AttentionTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(TestDevice::Get().ok()) << TestDevice::Get().problem(); }
  void TearDown() override {
    if (emulation() == nullptr) return;
    emulation()->set_seed(1);
    emulation()->set_architecture(9, 0);
  }
  static const Emulation* emulation() { return TestDevice::Get().emulation(); }
  static AttentionCase::Options OptionsOf(Element element, int32_t group, int32_t head_dim) {
    return {.element = element,
            .num_kv_heads = 2,
            .group = group,
            .head_dim = head_dim,
            .block_size = 16,
            .major = TestDevice::Get().major()};
  }
  // In the variant that the batch names, else in both.
  void ExpectOracle(AttentionCase& test, AttentionBatch batch) {
    const std::vector<uint32_t> expected = BitsOf(test.Expected(batch));
    for (const AttentionVariant variant : kVariants) {
      batch.variant = variant;
      const std::vector<uint32_t> out = BitsOf(test.Run(batch));
      EXPECT_EQ(out, expected) << "variant " << static_cast<int>(variant);
      const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
      EXPECT_EQ(RecordHash("attention/" + name + "/" + std::to_string(case_number_++), out), "");
    }
  }

 private:
  int case_number_ = 0;
};

TEST_F(AttentionTest, DecodeEqualsTheOracleAtEveryEdgeOfTilesAndSplits) {
  for (const Element element : kElements) {
    AttentionCase test(OptionsOf(element, 4, 64), {600});
    ExpectOracle(test, {.rows = RowsAt(kEdges)});
  }
}

TEST_F(AttentionTest, AnyGroupOfHeadsSharesItsKeys) {
  for (const Element element : kElements) {
    for (const int32_t group : {1, 2, 7, 8, 16}) {
      AttentionCase test(OptionsOf(element, group, 16), {70});
      ExpectOracle(test, {.rows = RowsAt({0, 69, 40})});
    }
  }
}

// 20 and 33 are no whole 16-byte units; 33 is odd.
TEST_F(AttentionTest, HeadsMayHaveAnyDimension) {
  for (const Element element : kElements) {
    for (const int32_t head_dim : {8, 20, 33, 48, 80, 128, 256}) {
      AttentionCase test(OptionsOf(element, 2, head_dim), {100});
      ExpectOracle(test, {.rows = RowsAt({99, 64, 7})});
    }
  }
}

TEST_F(AttentionTest, BlocksMayHaveAnySizeThatDividesATile) {
  for (const Element element : kElements) {
    for (const int32_t block_size : {8, 16, 32, 64}) {
      AttentionCase::Options options = OptionsOf(element, 2, 24);
      options.block_size = block_size;
      AttentionCase test(options, {90, 40});
      ExpectOracle(test, {.rows = {{0, 89}, {1, 39}, {0, 63}, {1, 7}, {0, 8}}});
    }
  }
}

// Rows of a prompt in tiles, beside the single rows of others: what each row gives alone.
TEST_F(AttentionTest, APrefillChunkGivesTheBitsOfSingleRows) {
  for (const Element element : kElements) {
    AttentionCase test(OptionsOf(element, 3, 32), {330, 6, 70});
    AttentionBatch batch = {.rows = RowsFrom(240, 31), .tile_rows = 10};
    batch.rows.push_back({1, 5});
    batch.rows.push_back({2, 69});
    for (const AttentionRow& row : RowsFrom(0, 12, 2)) batch.rows.push_back(row);
    AddTiles(batch.tiles, 0, 31, 10);
    batch.tiles.push_back({31, 1});
    batch.tiles.push_back({32, 1});
    AddTiles(batch.tiles, 33, 12, 10);
    ExpectOracle(test, batch);
  }
}

// Columns whose own position ends tiles and whole splits before their neighbours'.
TEST_F(AttentionTest, TilesBeyondARowChangeNothingOfIt) {
  for (const Element element : kElements) {
    AttentionCase test(OptionsOf(element, 2, 16), {700});
    AttentionBatch batch = {.rows = RowsAt({3, 64, 200, 255, 256, 330, 511, 699}), .tile_rows = 8};
    batch.tiles = {{0, 8}};
    ExpectOracle(test, batch);
    batch.tiles = {{0, 3}, {3, 5}};
    ExpectOracle(test, batch);
  }
}

TEST_F(AttentionTest, SplitOverBlocksItGivesTheSameBits) {
  for (const Element element : kElements) {
    AttentionCase test(OptionsOf(element, 2, 40), {800});
    AttentionBatch batch = {.rows = RowsAt({0, 255, 256, 600, 767, 768, 799})};
    for (const uint32_t splits : {1u, 2u, 3u, 4u}) {
      batch.splits = splits;
      ExpectOracle(test, batch);
    }
    batch.tiles = {{0, 3}, {3, 4}};
    batch.tile_rows = 4;
    batch.splits = 3;
    ExpectOracle(test, batch);
  }
}

TEST_F(AttentionTest, OnlyTheUnitsOfTheRangeAreWritten) {
  for (const Element element : kElements) {
    AttentionCase test(OptionsOf(element, 3, 16), {300});
    AttentionBatch batch = {.rows = RowsAt({5, 299, 100}), .tile_rows = 3};
    for (const backend::Range units : {backend::Range{0, 1}, {4, 11}, {7, 8}, {17, 18}}) {
      batch.units = units;
      batch.splits = 0;
      batch.tiles.clear();
      ExpectOracle(test, batch);
      batch.splits = 2;
      batch.tiles = {{0, 3}};
      ExpectOracle(test, batch);
    }
  }
}

TEST_F(AttentionTest, RowsBehindTheLastOneAreIgnored) {
  for (const Element element : kElements) {
    AttentionCase test(OptionsOf(element, 2, 16), {80});
    AttentionBatch batch = {.rows = RowsFrom(60, 5), .ignored_rows = 3};
    for (const uint32_t splits : {0u, 2u}) {
      batch.splits = splits;
      batch.tiles.clear();
      batch.tile_rows = 1;
      ExpectOracle(test, batch);
      batch.tiles = {{0, 4}, {4, 4}};
      batch.tile_rows = 4;
      ExpectOracle(test, batch);
    }
  }
}

// A later row's infinite value must not reach an earlier row that shares the block: 0 times it
// would be NaN.
TEST_F(AttentionTest, InfiniteValuesReachOnlyTheRowsThatSeeThem) {
  for (const Element element : kMmaElements) {
    AttentionCase test(OptionsOf(element, 2, 48), {200});
    const uint16_t infinity = element == Element::kF16 ? 0x7c00 : 0x7f80;
    for (int32_t i = 0; i < 256; ++i) test.SetValue(0, 144 + i / 16, 0, 16 + i % 16, infinity);
    test.SetValue(0, 137, 0, 5, infinity);
    test.SetValue(0, 150, 1, 40, static_cast<uint16_t>(infinity | 0x8000));
    test.SetValue(0, 151, 1, 47, static_cast<uint16_t>(infinity | 1));
    AttentionBatch batch = {.rows = RowsFrom(130, 32), .tile_rows = 16};
    AddTiles(batch.tiles, 0, 32, 16);
    ExpectOracle(test, batch);
    const std::vector<float> out = test.Run(batch);
    for (int32_t i = 0; i < 7 * test.row_floats(); ++i) ASSERT_TRUE(std::isfinite(out[i])) << i;
  }
}

TEST_F(AttentionTest, NoOrderOfThreadsChangesABit) {
  if (emulation() == nullptr) GTEST_SKIP() << "a GPU's order cannot be chosen";
  for (const Element element : kElements) {
    AttentionCase test(OptionsOf(element, 4, 72), {300});
    AttentionBatch batch = {.rows = RowsFrom(250, 9), .tile_rows = 8};
    AddTiles(batch.tiles, 0, 9, 8);
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      emulation()->set_seed(seed);
      ExpectOracle(test, batch);
    }
  }
}

TEST_F(AttentionTest, AmperesMatrixUnitIsFollowedToo) {
  if (emulation() == nullptr) GTEST_SKIP() << "a GPU has one matrix unit";
  emulation()->set_architecture(8, 0);
  for (const Element element : kMmaElements) {
    AttentionCase::Options options = OptionsOf(element, 4, 64);
    options.major = 8;
    AttentionCase test(options, {300});
    ExpectOracle(test, {.rows = RowsAt({299, 20})});
  }
}

TEST_F(AttentionTest, StaysWithinTheDerivedBoundOfFloat64) {
  for (const Element element : kMmaElements) {
    AttentionCase test(OptionsOf(element, 2, 64), {600});
    const std::vector<AttentionRow> rows = RowsAt({0, 63, 300, 599});
    const std::vector<float> out = test.Run({.rows = rows});
    for (size_t row = 0; row < rows.size(); ++row) {
      for (int32_t head = 0; head < test.num_q_heads(); ++head) {
        const AttentionCase::Formula formula = test.FormulaOf(rows[row], head);
        for (int32_t i = 0; i < 64; ++i) {
          EXPECT_LT(std::abs(out[row * test.row_floats() + head * 64 + i] - formula.out[i]),
                    formula.bound);
        }
      }
    }
  }
}

TEST(AttentionShapeTest, VariantsFollowTheColumns) {
  AttentionArgs args = {};
  args.element = Element::kF16;
  args.kv = {.block_size = 16, .num_kv_heads = 4, .head_dim = 128};
  args.num_q_heads = 32;  // a group of 8
  args.tile_rows = 1;
  EXPECT_EQ(AttentionLaunchFor(args, 1, 1).kernel, KernelId::kAttentionHalf8Kernel);
  args.tile_rows = AttentionTileRows(AttentionVariant::kColumns32, AttentionGroup(args));
  EXPECT_EQ(args.tile_rows, 4);
  EXPECT_EQ(AttentionLaunchFor(args, 1, 1).kernel, KernelId::kAttentionHalf32Kernel);
  args.num_q_heads = 64;  // a group of 16: 32 columns rather than reading keys twice
  args.tile_rows = 1;
  EXPECT_EQ(AttentionLaunchFor(args, 1, 1).kernel, KernelId::kAttentionHalf32Kernel);
  EXPECT_EQ(AttentionTileRows(AttentionVariant::kColumns8, AttentionGroup(args)), 1);
}

// A block of any supported GPU may have 99 KB.
TEST(AttentionShapeTest, EveryShapeFitsEveryGpu) {
  for (int32_t head_dim = 1; head_dim <= kAttentionHeadDimMax; ++head_dim) {
    EXPECT_LE(AttentionSharedBytes(32, head_dim), 99u << 10) << head_dim;
    EXPECT_LT(AttentionSharedBytes(8, head_dim), AttentionSharedBytes(32, head_dim));
  }
}

}  // namespace
}  // namespace llmrt::cuda
