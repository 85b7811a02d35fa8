#include "ops/rope_store.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "ops/host_storage.h"
#include "ops/kv_element.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

using backend::KvType;

// One row at `position` with one query head and one KV head of four dims, the first two rotated by
// a quarter turn.
class RopeStoreTest : public testing::TestWithParam<KvType> {
 protected:
  RopeStoreTest()
      : shape_{.num_layers = 2,
               .num_kv_heads = 1,
               .head_dim = 4,
               .block_size = 16,
               .type = GetParam()} {
    cache_ = HostKvCache::Create(memory_, shape_, 2).value();
    table_.assign(2 * 40, 0.0f);
    for (size_t i = 0; i < table_.size(); i += 2) table_[i + 1] = 1.0f;  // cos 0, sin 1
    batch_.tables.emplace_back(blocks_);
    batch_.Add(0, 17);
    view_ = batch_.View();
  }
  backend::RopeStoreParams Params() {
    return {.batch = &view_,
            .rope_table = table_.data(),
            .rope_dims = 2,
            .q = q_.data(),
            .num_q_heads = 1,
            .k = k_.data(),
            .v = v_.data(),
            .cache = cache_.get(),
            .layer = 1};
  }
  memory::LargeMemory memory_{0};
  const backend::KvShape shape_;
  std::unique_ptr<backend::KvCache> cache_;
  std::vector<float> table_;
  std::vector<int32_t> blocks_ = {1, 0};
  OwnedBatch batch_;
  backend::Batch view_;
  std::vector<float> q_ = {1, 2, 3, 4}, k_ = {5, 6, 7, 8}, v_ = {9, 10, 11, 12};
};

TEST_P(RopeStoreTest, PairsTurnAndTheRestStays) {
  OracleRopeStore(Params(), {0, 1});
  EXPECT_EQ(q_, (std::vector<float>{-2, 1, 3, 4}));
  EXPECT_EQ(k_, (std::vector<float>{-6, 5, 7, 8}));
}

TEST_P(RopeStoreTest, KeysAndValuesLandInTheirSlot) {
  OracleRopeStore(Params(), {0, 1});
  // Position 17 is slot 1 of the second logical block, physical block 0.
  const auto& cache = static_cast<const HostKvCache&>(*cache_);
  const float expected_k[] = {-6, 5, 7, 8};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(LoadKv(shape_.type, cache.Tile(0, 1, 0, 0), 4 + i), expected_k[i]);
    EXPECT_EQ(LoadKv(shape_.type, cache.Tile(0, 1, 1, 0), 4 + i), v_[i]);
  }
}

TEST_P(RopeStoreTest, StoredValuesAreRoundedToTheCachesType) {
  v_ = {0.1f, 1e-9f, -0.1f, 3.0f};
  OracleRopeStore(Params(), {0, 1});
  const auto& cache = static_cast<const HostKvCache&>(*cache_);
  // Half an ulp: 11 significant bits of F16, 8 of BF16, all of F32.
  const double half_ulp = shape_.type == KvType::kF32   ? 0
                          : shape_.type == KvType::kF16 ? 0x1p-11
                                                        : 0x1p-8;
  EXPECT_NEAR(LoadKv(shape_.type, cache.Tile(0, 1, 1, 0), 4), 0.1f, 0.1 * half_ulp);
  EXPECT_EQ(LoadKv(shape_.type, cache.Tile(0, 1, 1, 0), 7), 3.0f);
}

// Lengths of pairs are kept: a rotation by any angle, to the rounding of two operations.
TEST_P(RopeStoreTest, RotationKeepsLength) {
  for (size_t i = 0; i < table_.size(); i += 2) {
    table_[i] = std::cos(0.7f);
    table_[i + 1] = std::sin(0.7f);
  }
  OracleRopeStore(Params(), {0, 1});
  // Each of two squares is off by less than 4 roundings.
  EXPECT_NEAR(q_[0] * q_[0] + q_[1] * q_[1], 5.0f, 5 * 8 * 0x1p-24);
}

TEST_P(RopeStoreTest, WrongParametersAreRefused) {
  EXPECT_TRUE(CheckRopeStore(Params(), {0, 1}).ok());
  EXPECT_FALSE(CheckRopeStore(Params(), {0, 2}).ok());
  EXPECT_FALSE(CheckRopeStore({}, {0, 1}).ok());
  auto params = Params();
  params.rope_dims = 3;
  EXPECT_FALSE(CheckRopeStore(params, {0, 1}).ok());
  params.rope_dims = 6;
  EXPECT_FALSE(CheckRopeStore(params, {0, 1}).ok());
  params = Params();
  params.layer = 2;
  EXPECT_FALSE(CheckRopeStore(params, {0, 1}).ok());
  params = Params();
  params.num_q_heads = 0;
  EXPECT_FALSE(CheckRopeStore(params, {0, 1}).ok());
  blocks_[1] = 2;
  EXPECT_FALSE(CheckRopeStore(Params(), {0, 1}).ok());
}

INSTANTIATE_TEST_SUITE_P(KvTypes, RopeStoreTest,
                         testing::Values(KvType::kF32, KvType::kF16, KvType::kBF16),
                         [](const auto& info) { return std::string(KvTypeName(info.param)); });

}  // namespace
}  // namespace llmrt::ops
