// How a walk is cut, seen with kernels that only note what they are given. The arithmetic of walks
// is in matmul_walk_test.cc.
#include "cpu/product_walk.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "cpu/cpu_backend.h"
#include "cpu/packed_matrix.h"
#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"

namespace llmrt::cpu {
namespace {

using backend::WeightType;

constexpr int64_t kCols = 64, kBlocks = kCols / 32;
constexpr int64_t kStride = kBlocks * static_cast<int64_t>(sizeof(backend::ActivationBlock));

// What the kernels below were given. A row is told by its address.
struct Notes {
  std::map<std::tuple<WeightType, const uint8_t*, int64_t>, int> packed;  // row, block: times
  std::map<std::pair<float*, int64_t>, int> multiplied;  // row of out, feature: times
  std::vector<int64_t> features_of_tasks;
  int64_t bytes_a_row = 64;         // of a block of a tile of Q4_0; of Q8_0 twice as many
  const uint8_t* buffer = nullptr;  // kPackedBytes
};
Notes notes;

// What Pack leaves where a block of a tile begins, for Multiply to find there.
struct Mark {
  WeightType type;
  const uint8_t* rows;  // the tile's first row
  int64_t num_rows;     // of the tile that exist
  int64_t block;
  bool operator==(const Mark&) const = default;
};

template <WeightType kType>
RowTile Tile(int64_t rows) {
  const int32_t tile_rows = rows > 8 ? 16 : static_cast<int32_t>(rows);
  return {tile_rows, tile_rows * notes.bytes_a_row * (kType == WeightType::kQ8_0 ? 2 : 1)};
}

// Fills all bytes of its blocks.
template <WeightType kType>
void Pack(const PackTask& task) {
  ASSERT_GE(task.num_rows, 1);
  ASSERT_EQ(task.row_stride, kStride);
  ASSERT_TRUE(0 <= task.begin && task.begin < task.end && task.end <= kBlocks);
  EXPECT_EQ((task.out - notes.buffer) % 64, 0);
  const int64_t rows = std::min<int64_t>(task.num_rows, task.tile_rows);
  const int64_t block_bytes = Tile<kType>(task.tile_rows).block_bytes;
  for (int64_t b = task.begin; b < task.end; ++b) {
    for (int64_t m = 0; m < rows; ++m) ++notes.packed[{kType, task.rows + m * kStride, b}];
    uint8_t* const place = task.out + b * block_bytes;
    ASSERT_TRUE(notes.buffer <= place && place + block_bytes <= notes.buffer + kPackedBytes)
        << "a block reaches beyond the buffer";
    std::memset(place, 0xee, static_cast<size_t>(block_bytes));
    const Mark mark = {kType, task.rows, rows, b};
    std::memcpy(place, &mark, sizeof(mark));
  }
}

template <WeightType kType>
void Multiply(const MatMulTask& task) {
  ASSERT_NE(task.packed, nullptr);
  ASSERT_NE(task.scratch, nullptr);
  notes.features_of_tasks.push_back(task.end - task.begin);
  const RowTile tile = Tile<kType>(task.num_rows);
  for (int64_t m = 0; m < task.num_rows; m += tile.rows) {
    for (int64_t b = 0; b < kBlocks; ++b) {
      Mark mark;
      std::memcpy(&mark, task.packed + (m / tile.rows * kBlocks + b) * tile.block_bytes,
                  sizeof(mark));
      const int64_t rows = std::min<int64_t>(tile.rows, task.num_rows - m);
      EXPECT_EQ(mark, (Mark{kType, task.activations + m * kStride, rows, b}));
    }
  }
  for (int64_t m = 0; m < task.num_rows; ++m) {
    for (int64_t n = task.begin; n < task.end; ++n) {
      ++notes.multiplied[{task.out + m * task.out_stride, n}];
    }
  }
}

class ProductWalkTest : public ::testing::Test {
 protected:
  ProductWalkTest() {
    notes = {};
    AddKernels<WeightType::kQ4_0>();
    AddKernels<WeightType::kQ8_0>();
    SetWeights({{WeightType::kQ4_0, 40}, {WeightType::kQ4_0, 7}});
  }

  template <WeightType kType>
  void AddKernels() {
    table_.matmul[static_cast<int>(kType)] = Multiply<kType>;
    table_.packing[static_cast<int>(kType)] = {Tile<kType>, Pack<kType>};
  }

  void SetWeights(const std::vector<std::pair<WeightType, int64_t>>& weights) {
    weights_.clear();
    outs_.clear();
    for (const auto& [type, features] : weights) {
      weights_.push_back(PackedMatrix::Create(TestMemory(), type, features, kCols).value());
      outs_.emplace_back(kRowsMax * features);
    }
  }

  // All products of `rows` rows; returns the number of passes.
  int Walk(int64_t rows, backend::Range features) {
    std::vector<backend::MatMulParams> products;
    for (size_t i = 0; i < weights_.size(); ++i) {
      products.push_back({.weight = weights_[i].get(),
                          .activations = activations_.data(),
                          .num_rows = rows,
                          .out = outs_[i].data(),
                          .out_stride = weights_[i]->rows()});
    }
    // Behind the buffer, too, there is memory, so that who leaves it is told instead of killed.
    std::vector<uint8_t> storage(3 * kPackedBytes);
    notes.buffer = storage.data() + kPackedBytes;
    ProductWalk walk(table_, products, features, 2, storage.data() + kPackedBytes);
    int passes = 0;
    for (; walk.NextPass(); ++passes) {
      for (int64_t task = walk.num_pack_tasks(); task-- > 0;) walk.Pack(task);
      uint8_t scratch = 0;
      for (int64_t task = walk.num_tasks(); task-- > 0;) walk.Multiply(task, &scratch);
    }
    return passes;
  }

  // Every row and feature once, and every block of every row packed once for each type.
  void ExpectAllOnce(int64_t rows, backend::Range features, int64_t types = 1) {
    EXPECT_EQ(notes.packed.size(), static_cast<size_t>(types * rows * kBlocks));
    for (const auto& [place, times] : notes.packed) EXPECT_EQ(times, 1);
    EXPECT_EQ(notes.multiplied.size(), static_cast<size_t>(rows * features.size()));
    for (const auto& [place, times] : notes.multiplied) EXPECT_EQ(times, 1);
  }

  static constexpr int64_t kRowsMax = 100;
  KernelTable table_ = kPortableKernels;
  std::vector<std::unique_ptr<backend::Matrix>> weights_;
  std::vector<std::vector<float>> outs_;
  std::vector<uint8_t> activations_ = std::vector<uint8_t>(kRowsMax * kStride);
};

TEST_F(ProductWalkTest, OnePassWhereEverythingFits) {
  EXPECT_EQ(Walk(kRowsMax, {0, 47}), 1);
  ExpectAllOnce(kRowsMax, {0, 47});
}

TEST_F(ProductWalkTest, ARangeOfFeaturesMayBeginInOneProductAndEndInAnother) {
  EXPECT_EQ(Walk(3, {17, 45}), 1);
  ExpectAllOnce(3, {17, 45});
}

// Cut at panels that no power of two divides. Panels of 64 values are 576 bytes: 96 KB, what a task
// has at least, are 171 of them.
TEST_F(ProductWalkTest, TasksBecomeSmallerAndCoverEveryPanelOnce) {
  struct Case {
    int64_t panels;
    size_t tasks;
    int64_t largest, smallest;  // parts of the whole
  };
  for (const Case& expected :
       {Case{70, 2, 2, 2}, Case{1300, 8, 8, 8}, Case{1400, 8, 8, 8}, Case{2800, 12, 8, 16},
        Case{5600, 16, 8, 32}, Case{11111, 20, 8, 64}}) {
    notes = {};
    const int64_t features = 16 * expected.panels - 5;
    SetWeights({{WeightType::kQ4_0, features}});
    EXPECT_EQ(Walk(2, {3, features - 1}), 1);
    ExpectAllOnce(2, {3, features - 1});
    // Walk runs the last task first.
    const auto& sizes = notes.features_of_tasks;
    EXPECT_EQ(sizes.size(), expected.tasks);
    EXPECT_NEAR(static_cast<double>(sizes.front()), features / expected.smallest, 32);
    EXPECT_NEAR(static_cast<double>(sizes.back()), features / expected.largest, 32);
  }
}

// Arithmetic takes longer than reading: a few panels are enough for a task.
// Two threads that take the next task whenever they are free have seven panels each.
TEST_F(ProductWalkTest, ManyRowsAreCutIntoTasksOfAboutFourPanelsTheLargerOnesFirst) {
  SetWeights({{WeightType::kQ4_0, 16 * 14}});
  activations_.resize(2400 * kStride);
  outs_[0].resize(2400 * 16 * 14);
  EXPECT_EQ(Walk(2400, {0, 16 * 14}), 1);
  EXPECT_EQ(notes.features_of_tasks, (std::vector<int64_t>{48, 48, 64, 64}));
}

// Three tasks would keep one of two threads waiting for a third of the time.
TEST_F(ProductWalkTest, TasksAreAMultipleOfTheThreads) {
  SetWeights({{WeightType::kQ4_0, 16 * 600}});  // three and a half times what a task has at least
  EXPECT_EQ(Walk(1, {0, 16 * 600}), 1);
  EXPECT_EQ(notes.features_of_tasks, (std::vector<int64_t>(4, 16 * 150)));
}

TEST_F(ProductWalkTest, RowsThatDoNotFitGoInPassesOfWholeTiles) {
  // Both products are of one type and read one copy: two tiles a pass.
  notes.bytes_a_row = kPackedBytes / (2 * 16 * kBlocks);
  EXPECT_EQ(Walk(kRowsMax, {0, 47}), 4);  // 32, 32, 32 and 4 rows
  ExpectAllOnce(kRowsMax, {0, 47});
}

TEST_F(ProductWalkTest, EachTypeHasItsRowsInAPlaceOfItsOwn) {
  SetWeights({{WeightType::kQ4_0, 40}, {WeightType::kQ8_0, 7}, {WeightType::kQ4_0, 3}});
  EXPECT_EQ(Walk(kRowsMax, {0, 50}), 1);
  ExpectAllOnce(kRowsMax, {0, 50}, 2);
  // A tile of Q4_0 takes a sixth of the buffer, one of Q8_0 a third: two of each a pass.
  notes = {};
  notes.bytes_a_row = kPackedBytes / (6 * 16 * kBlocks) / 64 * 64;
  EXPECT_EQ(Walk(kRowsMax, {0, 50}), 4);  // 32, 32, 32 and 4 rows
  ExpectAllOnce(kRowsMax, {0, 50}, 2);
}

TEST_F(ProductWalkTest, RowsThatFillTheBufferToItsLastByteGoInOnePass) {
  for (const int64_t rows : {64, 65}) {
    notes = {};
    notes.bytes_a_row = kPackedBytes / (64 * kBlocks);
    EXPECT_EQ(Walk(rows, {0, 47}), rows == 64 ? 1 : 2);
    ExpectAllOnce(rows, {0, 47});
  }
}

TEST_F(ProductWalkTest, WhereNoWholeTileFitsFewerRowsGoTogether) {
  notes.bytes_a_row = kPackedBytes / (8 * kBlocks);
  EXPECT_EQ(Walk(9, {0, 47}), 2);  // 8 and 1
  ExpectAllOnce(9, {0, 47});
}

TEST_F(ProductWalkTest, OneRangeFollowsAnotherOfTheSameProductsAndRows) {
  using Products = std::vector<backend::MatMulParams>;
  Products products;
  for (size_t i = 0; i < weights_.size(); ++i) {
    products.push_back(
        {.weight = weights_[i].get(), .activations = activations_.data(), .num_rows = 9});
  }
  Products other_weight = products, other_activations = products, other_rows = products;
  other_weight[1].weight = weights_[0].get();
  other_activations[1].activations += kStride;
  other_rows[0].num_rows = other_rows[1].num_rows = 8;
  WalkPlace place;
  EXPECT_FALSE(place.IsNext(products, {0, 16}));
  place.Set(products, {0, 16});
  EXPECT_TRUE(place.IsNext(products, {16, 47}));
  EXPECT_FALSE(place.IsNext(products, {0, 16}));  // begins again
  EXPECT_FALSE(place.IsNext(products, {17, 47}));
  EXPECT_FALSE(place.IsNext({products.data(), 1}, {16, 40}));
  EXPECT_FALSE(place.IsNext(other_weight, {16, 47}));
  EXPECT_FALSE(place.IsNext(other_activations, {16, 47}));
  EXPECT_FALSE(place.IsNext(other_rows, {16, 47}));
  place.Forget();
  EXPECT_FALSE(place.IsNext(products, {16, 47}));
}

TEST_F(ProductWalkTest, RowsThatShouldGoAtOnceFitWithTwoTypesAndNoTileMoreWould) {
  for (const backend::CpuTier tier : TestedTiers()) {
    const KernelTable& kernels = KernelsOf(tier);
    for (const int64_t cols : {32, 1000, 2048, 8192, 14336}) {
      const int64_t rows = RowsPackedAtOnce(kernels, cols), blocks = (cols + 31) / 32;
      EXPECT_EQ(rows % 16, 0);
      int64_t most = 0;
      for (const Packing& packing : kernels.packing) {
        if (packing.tile == nullptr) continue;
        const RowTile tile = packing.tile(rows);
        most = std::max(most, 2 * blocks * tile.block_bytes / tile.rows);
      }
      EXPECT_LE(rows * most, kPackedBytes) << cols;
      EXPECT_TRUE(most == 0 || (rows + 16) * most > kPackedBytes) << cols;
    }
  }
}

}  // namespace
}  // namespace llmrt::cpu
