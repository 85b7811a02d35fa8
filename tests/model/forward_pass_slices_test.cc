// Where slices end: inside a row's attention, between bands of rows; and that slices cut by a clock
// give the bits of a whole step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "model/forward_pass.h"
#include "tests/model/random_model.h"
#include "tests/model/step_runner.h"

namespace llmrt::model {
namespace {

using testing::RandomTokens;
using testing::RunnerOptions;
using testing::StepRunner;
using Logits = std::vector<std::vector<float>>;

void ExpectSameBits(const Logits& a, const Logits& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)), 0) << i;
  }
}

class SlicesTest : public ::testing::Test {
 protected:
  // The cursors between the slices of a step of `rows` rows at `slice_cost`.
  std::vector<Cursor> CursorsOf(int64_t rows, int64_t slice_cost, int32_t threads = 1) {
    std::vector<Cursor> cursors;
    RunnerOptions options;
    options.slice_cost = slice_cost;
    options.threads = threads;
    options.watch = [&](const Cursor& cursor) { cursors.push_back(cursor); };
    StepRunner runner(*file_, options);
    runner.Step({{0, RandomTokens(rows, 300, 1)}});
    return cursors;
  }

  std::unique_ptr<formats::ModelFile> file_ = testing::OpenRandomModel(
      {.layers = 1, .dim = 128, .ffn_dim = 192, .q_heads = 8, .kv_heads = 2});
};

TEST_F(SlicesTest, TheSmallestSlicesOfAttentionAreSingleHeads) {
  std::set<int64_t> units;
  for (const Cursor& cursor : CursorsOf(3, 1)) {
    if (cursor.op == Op::kAttention) units.insert(cursor.unit);
  }
  EXPECT_EQ(units.size(), 3u * 8u);  // 0 to 23: at 24 the next op begins
}

// Four heads share a KV head of 16 values: at position p they cost 128 (p + 1).
TEST_F(SlicesTest, LargerSlicesOfAttentionEndBetweenGroups) {
  for (const Cursor& cursor : CursorsOf(40, 128 * 40)) {
    EXPECT_TRUE(cursor.op != Op::kAttention || cursor.unit % 4 == 0) << cursor.unit;
  }
}

TEST_F(SlicesTest, ASliceOfAttentionHoldsItsCostInKeysWhateverTheRows) {
  constexpr int64_t kCost = 20000;
  int64_t last = 0;
  for (const Cursor& cursor : CursorsOf(64, kCost)) {
    if (cursor.op != Op::kAttention) continue;
    int64_t cost = 0;
    for (int64_t unit = last; unit < cursor.unit; ++unit) cost += 2 * (unit / 8 + 1) * 16;
    EXPECT_LE(cost, kCost);
    last = cursor.unit;
  }
  EXPECT_GT(last, 0);
}

TEST_F(SlicesTest, ProductsOverManyRowsGoInBandsOfOneSize) {
  std::set<int64_t> sizes;
  for (const Cursor& cursor : CursorsOf(130, 1)) {
    if (cursor.op == Op::kGateUp && cursor.band_end > 0 && cursor.unit > 0) {
      sizes.insert(cursor.band_end - cursor.band_begin);
    }
  }
  EXPECT_EQ(sizes, (std::set<int64_t>{2, 32}));
}

TEST_F(SlicesTest, FewRowsAreNeverCutSoThatWeightsAreReadOnce) {
  for (const int64_t rows : {1, 16, 32}) {
    for (const Cursor& cursor : CursorsOf(rows, 1)) {
      EXPECT_TRUE(cursor.band_end == 0 || cursor.band_end - cursor.band_begin == rows);
    }
  }
}

TEST_F(SlicesTest, ASliceHasPanelsForEveryThread) {
  for (const int32_t threads : {1, 2, 4}) {
    std::set<int64_t> units;
    for (const Cursor& cursor : CursorsOf(1, 1, threads)) {
      if (cursor.op == Op::kGateUp) units.insert(cursor.unit);
    }
    EXPECT_EQ(*std::next(units.begin()), 16 * threads);
  }
}

// Otherwise some threads would wait for others at the end of every slice.
TEST_F(SlicesTest, ASliceHasEquallyManyPanelsForEachThread) {
  constexpr int64_t kFeature = int64_t{2} * 4 * 128;  // float32 weights, two units a byte
  std::set<int64_t> units;
  for (const Cursor& cursor : CursorsOf(1, 90 * kFeature, 2)) {
    if (cursor.op == Op::kGateUp) units.insert(cursor.unit);
  }
  EXPECT_EQ(units, (std::set<int64_t>{0, 64, 128, 192, 256, 320}));
}

// Query, key and value have 136, 34 and 34 features of one cost: units 0 to 203 of one walk.
class WalkSlicesTest : public SlicesTest {
 protected:
  WalkSlicesTest() {
    file_ = testing::OpenRandomModel(
        {.layers = 1, .dim = 136, .ffn_dim = 192, .q_heads = 4, .kv_heads = 1});
  }
  std::set<int64_t> UnitsOf(int64_t slice_cost, int32_t threads = 1) {
    std::set<int64_t> units;
    for (const Cursor& cursor : CursorsOf(1, slice_cost, threads)) {
      if (cursor.op == Op::kQueryKeyValue && cursor.unit > 0) units.insert(cursor.unit);
    }
    return units;
  }
};

TEST_F(WalkSlicesTest, SlicesEndOnThePanelsOfTheProductThatTheyEndIn) {
  // 128 features and the last 8 of the query product; 16 features of the key product make the slice
  // whole, which began in the one before.
  EXPECT_EQ(UnitsOf(1), (std::set<int64_t>{16, 32, 48, 64, 80, 96, 112, 128, 136 + 16, 136 + 32,
                                           170 + 16, 170 + 32}));
}

TEST_F(WalkSlicesTest, ASliceGoesOnInTheNextProduct) {
  // A feature of float32 weights of 136 columns costs two units a byte: the rest of the first
  // product, all of the second and a panel of the third are one slice.
  constexpr int64_t kFeature = int64_t{2} * 4 * 136;
  const std::set<int64_t> units = UnitsOf(100 * kFeature);
  EXPECT_EQ(units, (std::set<int64_t>{96, 170 + 16}));
}

TEST_F(WalkSlicesTest, ASliceThatGoesOnHasEquallyManyPanelsForEachThread) {
  constexpr int64_t kFeature = int64_t{2} * 4 * 136;
  // The third slice goes on to the end of the second product, and 16 features into the third.
  EXPECT_EQ(UnitsOf(70 * kFeature, 2), (std::set<int64_t>{64, 128, 170 + 16}));
  // What fits into a slice is not left over for another one.
  EXPECT_EQ(UnitsOf(136 * kFeature, 3), (std::set<int64_t>{136}));
}

TEST_F(SlicesTest, SlicesCutByTheClockChangeNoBit) {
  const std::vector<int32_t> tokens = RandomTokens(200, 300, 2);
  StepRunner whole(*file_, {});
  const Logits expected = whole.Run(tokens, 200);
  for (const int64_t slice_us : {1, 20, 1000}) {
    RunnerOptions options;
    options.slice_us = slice_us;
    options.threads = 2;
    StepRunner runner(*file_, options);
    ExpectSameBits(runner.Run(tokens, {130, 1, 1, 68}), expected);
    EXPECT_EQ(runner.KvBytes(0), whole.KvBytes(0));
    EXPECT_GT(runner.slices(), 20);
  }
}

}  // namespace
}  // namespace llmrt::model
