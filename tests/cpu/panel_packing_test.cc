// Rows into panels and out again: every value, scale and offset of every type, against what
// src/quant reads from the file's bytes.
#include "cpu/panel_packing.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "cpu/panel_layout.h"
#include "gtest/gtest.h"
#include "quant/dequantize.h"
#include "quant/integer_block.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::WeightType;

// Bytes that no packing wrote.
constexpr uint8_t kUntouched = 0xa5;

// Sixteen rows of a file and the panel that they were packed into, in a shuffled order.
struct Packed {
  Packed(WeightType type, int64_t cols, uint32_t seed)
      : type(type), cols(cols), row_bytes(backend::RowBytes(type, cols).value()) {
    ops::Random random(seed);
    rows = ops::RandomWeights(random, type, kPanelRows, cols, ops::Spread::kWide);
    // Panels are aligned as the backend's memory is.
    storage.assign(PanelBytes(type, cols) + 64, kUntouched);
    panel = storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64;
    std::vector<int64_t> order(kPanelRows);
    for (int64_t i = 0; i < kPanelRows; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (const int64_t feature : order) PackRow(type, Row(feature), cols, feature, panel);
  }
  const uint8_t* Row(int64_t feature) const { return rows.data() + feature * row_bytes; }

  const WeightType type;
  const int64_t cols;
  const int64_t row_bytes;
  std::vector<uint8_t> rows;
  std::vector<uint8_t> storage;
  uint8_t* panel = nullptr;
};

// Numbers of columns: less than a group, whole groups, and a part of one at the end.
std::vector<int64_t> TestedCols(WeightType type) {
  const int64_t block = backend::GeometryOf(type).values;
  if (block == 256) return {256, 512, 1280};
  if (block == 32) return {32, 64, 96, 544};
  return {1, 15, 16, 17, 32, 33, 100};
}

class PanelPackingTest : public testing::TestWithParam<WeightType> {};

TEST_P(PanelPackingTest, UnpackedRowsHaveTheBitsOfTheFilesRows) {
  const WeightType type = GetParam();
  for (const int64_t cols : TestedCols(type)) {
    const Packed packed(type, cols, 3);
    for (int64_t feature = 0; feature < kPanelRows; ++feature) {
      std::vector<float> expected(cols), out(cols, -1.0f);
      ASSERT_TRUE(quant::DequantizeRow(type, {packed.Row(feature), size_t(packed.row_bytes)},
                                       absl::MakeSpan(expected))
                      .ok());
      UnpackRow(type, packed.panel, feature, cols, out.data());
      EXPECT_EQ(ops::FirstDifference(out, expected), -1) << "cols " << cols << " row " << feature;
    }
  }
}

class PackedBlocksTest : public testing::TestWithParam<WeightType> {};

TEST_P(PackedBlocksTest, UnpackedBlocksAreTheDecodedBlocks) {
  const WeightType type = GetParam();
  for (const int64_t cols : TestedCols(type)) {
    const Packed packed(type, cols, 5);
    for (int64_t i = 0; i < kPanelRows * cols / kBlockValues; ++i) {
      const int64_t feature = i % kPanelRows, number = i / kPanelRows;
      quant::IntegerBlock expected, block;
      quant::DecodeIntegerBlock(type, packed.Row(feature), number, &expected);
      UnpackBlock(type, packed.panel, feature, number, &block);
      ASSERT_EQ(std::memcmp(block.q, expected.q, sizeof(block.q)), 0) << feature << " " << number;
      ASSERT_EQ(block.num_groups, expected.num_groups);
      ASSERT_EQ(block.has_offset, expected.has_offset);
      ASSERT_TRUE(ops::SameBits(block.scale, expected.scale, block.num_groups));
      ASSERT_TRUE(!block.has_offset || ops::SameBits(&block.offset, &expected.offset, 1));
    }
  }
}

// Rows of one panel may be packed by several threads at once.
TEST_P(PanelPackingTest, AFeatureTouchesNoByteOfAnother) {
  const WeightType type = GetParam();
  const int64_t cols = TestedCols(type).back();
  const Packed packed(type, cols, 7);
  const int64_t bytes = PanelBytes(type, cols);
  std::vector<int> writers(bytes);
  for (int64_t feature = 0; feature < kPanelRows; ++feature) {
    std::vector<uint8_t> zeros(bytes, 0), ones(bytes, 0xff);
    PackRow(type, packed.Row(feature), cols, feature, zeros.data());
    PackRow(type, packed.Row(feature), cols, feature, ones.data());
    for (int64_t i = 0; i < bytes; ++i) writers[i] += zeros[i] == ones[i];
  }
  EXPECT_EQ(*std::max_element(writers.begin(), writers.end()), 1);
}

class PackedFloatsTest : public testing::TestWithParam<WeightType> {};

TEST_P(PackedFloatsTest, RowsArePaddedWithZerosToWholeGroups) {
  const WeightType type = GetParam();
  const int64_t group = LayoutOf(type).group_values;
  for (const int64_t cols : TestedCols(type)) {
    const Packed packed(type, cols, 9);
    const int64_t padded = (cols + group - 1) / group * group;
    for (int64_t feature = 0; feature < kPanelRows; ++feature) {
      std::vector<float> out(padded - cols, -1.0f);
      UnpackFloats(type, packed.panel, feature, cols, padded, out.data());
      for (const float value : out) ASSERT_EQ(value, 0.0f);
    }
  }
}

TEST_P(PanelPackingTest, NothingBesideThePanelIsWritten) {
  for (const int64_t cols : TestedCols(GetParam())) {
    const Packed packed(GetParam(), cols, 11);
    const uint8_t* end = packed.panel + PanelBytes(GetParam(), cols);
    const uint8_t* storage_end = packed.storage.data() + packed.storage.size();
    const auto untouched = [](uint8_t byte) { return byte == kUntouched; };
    EXPECT_TRUE(
        std::all_of(packed.storage.data(), const_cast<const uint8_t*>(packed.panel), untouched));
    EXPECT_TRUE(std::all_of(end, storage_end, untouched));
  }
}

std::string NameOf(const testing::TestParamInfo<WeightType>& info) {
  return std::string(backend::GeometryOf(info.param).name);
}

// The floats come first.
constexpr int kFloatTypes = 3;
static_assert(!backend::IsQuantized(ops::kAllWeightTypes[kFloatTypes - 1]) &&
              backend::IsQuantized(ops::kAllWeightTypes[kFloatTypes]));

INSTANTIATE_TEST_SUITE_P(Types, PanelPackingTest, testing::ValuesIn(ops::kAllWeightTypes), NameOf);
INSTANTIATE_TEST_SUITE_P(Types, PackedBlocksTest,
                         testing::ValuesIn(std::begin(ops::kAllWeightTypes) + kFloatTypes,
                                           std::end(ops::kAllWeightTypes)),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Types, PackedFloatsTest,
                         testing::ValuesIn(std::begin(ops::kAllWeightTypes),
                                           std::begin(ops::kAllWeightTypes) + kFloatTypes),
                         NameOf);

TEST(PanelLayoutTest, PartsOfAGroupFollowOneAnotherAndFillIt) {
  for (const WeightType type : ops::kAllWeightTypes) {
    const PanelLayout layout = LayoutOf(type);
    EXPECT_EQ(layout.group_bytes % 64, 0) << "vectors are loaded aligned";
    if (!backend::IsQuantized(type)) {
      EXPECT_EQ(layout.group_bytes,
                layout.group_values * backend::GeometryOf(type).bytes * kPanelRows);
      continue;
    }
    const int64_t blocks = layout.group_values / kBlockValues;
    EXPECT_EQ(layout.values_at + blocks * layout.value_bytes, layout.group_bytes);
    if (layout.planes_at != 0) {
      EXPECT_EQ(layout.planes_at + blocks * layout.plane_bytes, layout.values_at);
    }
    EXPECT_EQ(layout.planes_at % 64, 0);
    EXPECT_EQ(layout.values_at % 64, 0);
    EXPECT_LT(layout.offsets_at, layout.values_at);
  }
}

TEST(PanelLayoutTest, PanelsHoldWholeGroups) {
  EXPECT_EQ(PanelBytes(WeightType::kQ4_0, 64), 576);
  EXPECT_EQ(PanelBytes(WeightType::kQ4_0, 96), 2 * 576);
  EXPECT_EQ(PanelBytes(WeightType::kQ6_K, 512), 2 * 3392);
  EXPECT_EQ(PanelBytes(WeightType::kF32, 17), 2 * 1024);
  EXPECT_EQ(PanelBytes(WeightType::kBF16, 32), 1024);
}

}  // namespace
}  // namespace llmrt::cpu
