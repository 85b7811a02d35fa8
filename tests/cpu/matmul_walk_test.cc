// Several matrix products as one walk: the bits of the products one by one, whatever their types
// and sizes, wherever the walk is cut, on 1 to 4 threads, and nothing beside the results is
// written.
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "cpu/cpu_features.h"
#include "cpu/product_walk.h"
#include "gtest/gtest.h"
#include "ops/matmul.h"
#include "ops/prepare.h"
#include "tests/cpu/both_layouts.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::ActivationFormat;
using backend::CpuTier;
using backend::WeightType;
using ops::Spread;

struct Weight {
  WeightType type;
  int64_t features;
};

// Products of one activation with several weights.
class Walk {
 public:
  Walk(ops::Random& random, const std::vector<Weight>& weights, int64_t rows, int64_t cols = 512)
      : rows_(rows) {
    const auto in = ops::RandomFloats(random, rows * cols, Spread::kNormal);
    for (const Weight& weight : weights) {
      Product& product = products_.emplace_back();
      product.features = weight.features;
      product.matrix = MakeBothLayouts(
          weight.type, weight.features, cols,
          ops::RandomWeights(random, weight.type, weight.features, cols, Spread::kNormal));
      product.format = backend::ClassOf(weight.type).activation;
      std::vector<uint8_t>& out = activations_[product.format];
      out.resize(rows * backend::ActivationRowBytes(product.format, cols));
      ops::OraclePrepare(
          {.in = in.data(), .cols = cols, .format = product.format, .out = out.data()}, {0, rows});
      units_ += weight.features;
    }
    for (const backend::MatMulParams& params : Params(nullptr)) {
      ops::OracleMatMul({params}, {0, params.weight->rows()});
    }
    for (Product& product : products_) product.expected = product.out;
  }

  int64_t units() const { return units_; }

  // Passes over all products; rows that are not packed need one only.
  int CountPasses(CpuTier tier) {
    std::vector<uint8_t> packed(kPackedBytes);  // nothing is packed here
    ProductWalk walk(CountedKernels(tier), Params(&BackendFor(tier, 1)), {0, units_}, 1,
                     packed.data());
    int passes = 0;
    while (walk.NextPass()) ++passes;
    return passes;
  }

  // The walk in pieces that end at `ends`, in a step of one backend or each by another one.
  void Check(CpuTier tier, const std::vector<int64_t>& ends, bool one_backend = false) {
    const std::vector<backend::MatMulParams> params = Params(&BackendFor(tier, 1));
    for (int32_t threads = 1; threads <= 4; ++threads) {
      ASSERT_TRUE(BackendFor(tier, threads).BeginStep({}, {}).ok());
    }
    int64_t begin = 0;
    for (const int64_t end : ends) {
      const int32_t threads = one_backend ? 2 : static_cast<int32_t>(1 + begin % 4);
      ASSERT_TRUE(BackendFor(tier, threads).MatMul(params, {begin, end}).ok());
      begin = end;
    }
    ExpectTheOraclesBits(ends.front());
  }

  // The walk up to `cut`; then the last `count` rows take the place of the first, and the rest.
  void CheckWithRowsThatMove(CpuTier tier, int64_t cut, int64_t count) {
    backend::Backend& backend = BackendFor(tier, 2);
    std::vector<backend::MatMulParams> params = Params(&backend);
    ASSERT_TRUE(backend.BeginStep({}, {}).ok());
    ASSERT_TRUE(backend.MatMul(params, {0, cut}).ok());
    for (auto& [format, rows] : activations_) {
      ASSERT_TRUE(backend
                      .MoveRows({.rows = rows.data(),
                                 .row_bytes = static_cast<int64_t>(rows.size()) / rows_,
                                 .from = rows_ - count,
                                 .to = 0,
                                 .count = count})
                      .ok());
    }
    ASSERT_TRUE(backend.MatMul(params, {cut, units_}).ok());
    int64_t first = 0;  // unit of the product's first feature
    for (Product& product : products_) {
      const int64_t stride = product.features + 1;
      for (int64_t m = 0; m < count; ++m) {
        for (int64_t n = std::max<int64_t>(0, cut - first); n < product.features; ++n) {
          ASSERT_EQ(product.out[m * stride + n], product.expected[(rows_ - count + m) * stride + n])
              << "row " << m << ", feature " << n;
        }
      }
      first += product.features;
    }
  }

 private:
  struct Product {
    int64_t features;
    BothLayouts matrix;
    ActivationFormat format;
    std::vector<float> out, expected;  // [rows][features and one that is nobody's]
  };

  void ExpectTheOraclesBits(int64_t first_end) const {
    for (const Product& product : products_) {
      ASSERT_EQ(ops::FirstDifference(product.out, product.expected), -1)
          << product.features << " features, " << rows_ << " rows, first end " << first_end;
    }
  }

  // What `backend` reads, the oracle where it is null, with outputs that hold nothing yet.
  std::vector<backend::MatMulParams> Params(const backend::Backend* backend) {
    std::vector<backend::MatMulParams> params;
    for (Product& product : products_) {
      product.out.assign(rows_ * (product.features + 1), std::numeric_limits<float>::quiet_NaN());
      params.push_back({.weight = product.matrix.For(backend),
                        .activations = activations_[product.format].data(),
                        .num_rows = rows_,
                        .out = product.out.data(),
                        .out_stride = product.features + 1});
    }
    return params;
  }

  const int64_t rows_;
  int64_t units_ = 0;
  std::vector<Product> products_;
  std::map<ActivationFormat, std::vector<uint8_t>> activations_;  // the same rows
};

class MatMulWalkTest : public testing::TestWithParam<CpuTier> {
 protected:
  ops::Random random_{41};
};

// The mix of a K-quant file, one of float types, and one with a product smaller than any panel.
const std::vector<Weight> kWalks[] = {
    {{WeightType::kQ4_K, 72}, {WeightType::kQ4_K, 24}, {WeightType::kQ6_K, 24}},
    {{WeightType::kF16, 33},
     {WeightType::kBF16, 50},
     {WeightType::kQ8_0, 17},
     {WeightType::kF32, 9}},
    {{WeightType::kQ4_0, 3}, {WeightType::kQ4_0, 1}, {WeightType::kQ5_1, 5}},
};

TEST_P(MatMulWalkTest, EveryCutGivesTheBitsOfTheProductsOneByOne) {
  for (const std::vector<Weight>& weights : kWalks) {
    for (const int64_t rows : {1, 5}) {
      Walk walk(random_, weights, rows);
      walk.Check(GetParam(), {walk.units()});
      for (int64_t cut = 1; cut < walk.units(); ++cut) walk.Check(GetParam(), {cut, walk.units()});
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST_P(MatMulWalkTest, ManySmallPiecesGiveThemToo) {
  for (const std::vector<Weight>& weights : kWalks) {
    Walk walk(random_, weights, 131);
    std::vector<int64_t> ends;
    for (int64_t end = 0; end < walk.units();) {
      end = std::min(walk.units(), end + 1 + static_cast<int64_t>(random_() % 40));
      ends.push_back(end);
    }
    walk.Check(GetParam(), ends);
    walk.Check(GetParam(), ends, true);
  }
}

TEST_P(MatMulWalkTest, RowsThatMoveBetweenTwoPiecesCountWhereTheyCome) {
  for (const std::vector<Weight>& weights : kWalks) {
    Walk walk(random_, weights, 40);
    walk.CheckWithRowsThatMove(GetParam(), walk.units() / 3, 7);
  }
}

// What is read again in the same place is packed again.
TEST_P(MatMulWalkTest, ANewStepForgetsTheRowsOfTheLastOne) {
  for (int i = 0; i < 3; ++i) {
    Walk walk(random_, kWalks[0], 20);
    walk.Check(GetParam(), {50, walk.units()}, true);
  }
}

// Whole tiles of rows of these products that the buffer for packed rows holds; 0 where none is
// packed.
int64_t RowsAPass(CpuTier tier, const std::vector<Weight>& weights, int64_t cols) {
  std::set<WeightType> types;  // one copy serves all products of a type
  for (const Weight& weight : weights) types.insert(weight.type);
  int64_t bytes = 0;  // of 16 rows
  for (const WeightType type : types) {
    const Packing& packing = CountedKernels(tier).packing[static_cast<int>(type)];
    if (packing.tile == nullptr) continue;
    const RowTile tile = packing.tile(16);
    bytes += 16 / tile.rows * (cols / 32) * tile.block_bytes;
  }
  return bytes == 0 ? 0 : kPackedBytes / bytes * 16;
}

// The last pass has three rows, and with them other tiles than those before it. Of the products
// that share their packed rows, one stands behind one that does not.
TEST_P(MatMulWalkTest, RowsThatGoInSeveralPassesHaveTheBitsOfTheirOwn) {
  const std::vector<Weight> walks[] = {
      {{WeightType::kQ4_0, 17}, {WeightType::kQ8_0, 5}, {WeightType::kQ6_K, 9}},
      {{WeightType::kQ4_K, 9}, {WeightType::kQ5_K, 17}, {WeightType::kQ4_K, 3}},
      {{WeightType::kQ4_1, 5}, {WeightType::kQ5_0, 9}, {WeightType::kQ5_1, 7}},
  };
  for (const std::vector<Weight>& weights : walks) {
    constexpr int64_t kCols = 8192;
    const int64_t rows_a_pass = RowsAPass(GetParam(), weights, kCols);
    Walk walk(random_, weights, 2 * rows_a_pass + 3, kCols);
    if (rows_a_pass > 0) {
      ASSERT_GE(walk.CountPasses(GetParam()), 2);
    }
    walk.Check(GetParam(), {walk.units()});
    walk.Check(GetParam(), {3, walk.units()});
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST_P(MatMulWalkTest, AnEmptyRangeIsNoWork) {
  Walk walk(random_, kWalks[0], 1);
  walk.Check(GetParam(), {72, 72, 96, walk.units()});
}

INSTANTIATE_TEST_SUITE_P(Tiers, MatMulWalkTest, testing::ValuesIn(TestedTiers()),
                         [](const auto& info) { return std::string(TierName(info.param)); });

}  // namespace
}  // namespace llmrt::cpu
