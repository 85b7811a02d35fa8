// The oracle and the plain order against attention computed in double.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "ops/host_storage.h"
#include "ops/kv_element.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

using backend::KvShape;
using backend::KvType;

struct Inputs {
  Inputs(Random& random, const KvShape& shape, int32_t heads, std::vector<int32_t> at)
      : num_q_heads(heads), positions(std::move(at)) {
    paged = MakePagedCache(random, memory, shape,
                           {*std::max_element(positions.begin(), positions.end()) + 1});
    batch.tables = paged.table_spans;
    for (const int32_t position : positions) batch.Add(0, position);
    q = RandomFloats(random, static_cast<int64_t>(positions.size()) * heads * shape.head_dim,
                     Spread::kNormal);
    out.assign(q.size(), std::numeric_limits<float>::quiet_NaN());
    view = batch.View();
  }
  backend::AttentionParams Params() {
    return {.batch = &view,
            .q = q.data(),
            .num_q_heads = num_q_heads,
            .scale = 0.25f,
            .cache = paged.cache.get(),
            .layer = 0,
            .out = out.data()};
  }
  backend::Range All() const { return {0, static_cast<int64_t>(positions.size()) * num_q_heads}; }
  // Element i of the key (kv 0) or value (kv 1) at position t.
  double At(int32_t head, int32_t kv, int32_t t, int32_t i) const {
    const auto& cache = static_cast<const HostKvCache&>(*paged.cache);
    const KvShape& shape = cache.shape();
    const uint8_t* tile = cache.Tile(paged.tables[0][t / shape.block_size], 0, kv, head);
    return LoadKv(shape.type, tile, t % shape.block_size * shape.head_dim + i);
  }
  memory::LargeMemory memory{0};
  int32_t num_q_heads;
  std::vector<int32_t> positions;
  PagedCache paged;
  OwnedBatch batch;
  backend::Batch view;
  std::vector<float> q, out;
};

// Largest difference from softmax(q k^T scale) v in double.
double LargestError(const Inputs& inputs) {
  const KvShape& shape = inputs.paged.cache->shape();
  const int32_t group = inputs.num_q_heads / shape.num_kv_heads;
  double largest = 0;
  for (size_t row = 0; row < inputs.positions.size(); ++row) {
    for (int32_t head = 0; head < inputs.num_q_heads; ++head) {
      const int64_t offset =
          (static_cast<int64_t>(row) * inputs.num_q_heads + head) * shape.head_dim;
      std::vector<double> p, out(shape.head_dim);
      double sum = 0;
      for (int32_t t = 0; t <= inputs.positions[row]; ++t) {
        double dot = 0;
        for (int32_t i = 0; i < shape.head_dim; ++i) {
          dot += inputs.q[offset + i] * inputs.At(head / group, 0, t, i);
        }
        p.push_back(std::exp(dot * 0.25));  // small enough without subtracting the largest
        sum += p.back();
      }
      for (int32_t t = 0; t <= inputs.positions[row]; ++t) {
        for (int32_t i = 0; i < shape.head_dim; ++i) {
          out[i] += p[t] / sum * inputs.At(head / group, 1, t, i);
        }
      }
      for (int32_t i = 0; i < shape.head_dim; ++i) {
        largest = std::max(largest, std::abs(out[i] - inputs.out[offset + i]));
      }
    }
  }
  return largest;
}

const std::vector<int32_t> kPositions = {0, 1, 15, 16, 63, 64, 255, 256, 300, 600};

// Scores of |s| < 8 carry an absolute error of about 20 roundings of 8 (2^-24 each): 1e-5 in s is
// 1e-5 relative in p, and averages of values of |v| < 5 stay within a few times that.
TEST(AttentionTest, TheOracleIsCloseToTheFormula) {
  Random random(1);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16}) {
    Inputs inputs(
        random,
        {.num_layers = 1, .num_kv_heads = 2, .head_dim = 20, .block_size = 16, .type = type}, 6,
        kPositions);
    OracleAttention(inputs.Params(), inputs.All());
    EXPECT_LT(LargestError(inputs), 1e-4);
    EXPECT_GT(LargestError(inputs), 0.0);
  }
}

// Everything in double: what is left is the last rounding, half an ulp of values below 8.
TEST(AttentionTest, ThePlainOrderIsTheFormulaRoundedOnce) {
  Random random(2);
  Inputs inputs(random, {.num_layers = 1, .num_kv_heads = 1, .head_dim = 8, .type = KvType::kF32},
                2, kPositions);
  PlainAttention(inputs.Params(), inputs.All());
  EXPECT_LT(LargestError(inputs), 8 * 0x1p-24);
}

TEST(AttentionTest, ThePlainOrderHoldsHeadsOfAnySize) {
  Random random(4);
  for (const int32_t head_dim : {255, 256, 257, 600}) {
    Inputs inputs(random,
                  {.num_layers = 1, .num_kv_heads = 1, .head_dim = head_dim, .type = KvType::kF32},
                  2, {0, 3, 70});
    for (float& q : inputs.q) q *= 0.125f;  // the formula's exponentials are taken as they are
    PlainAttention(inputs.Params(), inputs.All());
    EXPECT_LT(LargestError(inputs), 8 * 0x1p-24) << head_dim;
  }
}

TEST(AttentionTest, OneKeyGivesItsValue) {
  Random random(3);
  Inputs inputs(random, {.num_layers = 1, .num_kv_heads = 1, .head_dim = 8, .type = KvType::kF16},
                1, {0});
  OracleAttention(inputs.Params(), {0, 1});
  for (int32_t i = 0; i < 8; ++i) EXPECT_EQ(inputs.out[i], inputs.At(0, 1, 0, i));
}

// Equal keys: the average of the values, over a split's end. 512 of value 1 and 0 in turn give 1/2.
TEST(AttentionTest, EqualKeysAverageTheValuesExactly) {
  Random random(4);
  Inputs inputs(random, {.num_layers = 1, .num_kv_heads = 1, .head_dim = 4, .type = KvType::kF32},
                1, {511});
  const auto& cache = static_cast<const HostKvCache&>(*inputs.paged.cache);
  for (int32_t t = 0; t < 512; ++t) {
    const int32_t block = inputs.paged.tables[0][t / 16];
    for (int32_t i = 0; i < 4; ++i) {
      StoreKv(KvType::kF32, 1.0f, cache.Tile(block, 0, 0, 0), t % 16 * 4 + i);
      StoreKv(KvType::kF32, static_cast<float>(t % 2), cache.Tile(block, 0, 1, 0), t % 16 * 4 + i);
    }
  }
  OracleAttention(inputs.Params(), {0, 1});
  EXPECT_EQ(inputs.out, std::vector<float>(4, 0.5f));
}

// A step may be left between any two heads of a row.
TEST(AttentionTest, OnlyTheHeadsOfTheRangeAreWritten) {
  Random random(6);
  Inputs inputs(random, {.num_layers = 1, .num_kv_heads = 2, .head_dim = 8}, 4, {3, 70});
  OracleAttention(inputs.Params(), inputs.All());
  const std::vector<float> all = inputs.out;
  for (const int64_t begin : {0, 1, 3, 6, 7}) {
    std::fill(inputs.out.begin(), inputs.out.end(), 7.0f);
    OracleAttention(inputs.Params(), {begin, begin + 1});
    for (int64_t i = 0; i < 2 * 4 * 8; ++i) {
      EXPECT_EQ(inputs.out[i], i / 8 == begin ? all[i] : 7.0f);
    }
  }
}

TEST(AttentionTest, WrongParametersAreRefused) {
  Random random(5);
  Inputs inputs(random, {.num_layers = 1, .num_kv_heads = 2, .head_dim = 8}, 4, {3});
  EXPECT_TRUE(CheckAttention(inputs.Params(), {0, 4}).ok());
  EXPECT_FALSE(CheckAttention(inputs.Params(), {0, 5}).ok());
  EXPECT_FALSE(CheckAttention({}, {0, 1}).ok());
  auto params = inputs.Params();
  params.num_q_heads = 3;
  EXPECT_FALSE(CheckAttention(params, {0, 1}).ok());
  params = inputs.Params();
  params.layer = 1;
  EXPECT_FALSE(CheckAttention(params, {0, 1}).ok());
  inputs.batch.positions[0] = 400;
  EXPECT_FALSE(CheckAttention(inputs.Params(), {0, 1}).ok());
}

}  // namespace
}  // namespace llmrt::ops
