// The kernel that rotates queries and keys and fills the cache, against ops::OracleRopeStore: q, k
// and every byte of the cache, by equality of bits.
#include "ops/rope_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "numerics/rope_table.h"
#include "ops/host_storage.h"
#include "tests/cuda/kernels/kernel_case.h"
#include "tests/ops/random_data.h"

namespace llmrt::cuda {
namespace {

using backend::KvType;
using ops::HostKvCache;

struct Shape {
  int32_t head_dim;
  int32_t rope_dims;
  int32_t num_q_heads;
  int32_t num_kv_heads;
  int32_t block_size;
};

// Rows [first, first + count) of 33, of which num_rows count.
struct Rows {
  int32_t first;
  int32_t count;
  int32_t num_rows;
};

constexpr int32_t kRows = 33;
constexpr int32_t kLayer = 1;  // of 2
constexpr int32_t kNowhere = 0x7fffffff;
const std::vector<int32_t> kLengths = {37, 5, 70};

// The batch and everything that it points to, on the host.
struct Step {
  Step(ops::Random& random, KvType type, const Shape& shape, ops::Spread spread)
      : paged(ops::MakePagedCache(random, memory,
                                  {.num_layers = 2,
                                   .num_kv_heads = shape.num_kv_heads,
                                   .head_dim = shape.head_dim,
                                   .block_size = shape.block_size,
                                   .type = type},
                                  kLengths)),
        rope_dims(shape.rope_dims),
        num_q_heads(shape.num_q_heads) {
    // No two rows are the same token.
    std::vector<std::pair<int32_t, int32_t>> all;
    for (int32_t s = 0; s < 3; ++s) {
      for (int32_t p = 0; p < kLengths[s]; ++p) all.emplace_back(s, p);
    }
    std::shuffle(all.begin(), all.end(), random);
    for (int32_t row = 0; row < kRows; ++row) batch.Add(all[row].first, all[row].second);
    batch.tables = paged.table_spans;
    if (rope_dims > 0) table = numerics::BuildRopeTable({.dims = rope_dims}, 70);
    q = ops::RandomFloats(random, int64_t{kRows} * num_q_heads * shape.head_dim, spread);
    const int64_t kv_values = int64_t{kRows} * shape.num_kv_heads * shape.head_dim;
    k = ops::RandomFloats(random, kv_values, spread);
    v = ops::RandomFloats(random, kv_values, spread);
  }

  HostKvCache& cache() { return static_cast<HostKvCache&>(*paged.cache); }
  std::vector<uint8_t> CacheBytes() {
    const int64_t bytes = cache().num_blocks() * cache().shape().BlockBytes();
    return {cache().data(), cache().data() + bytes};
  }
  // By the oracle, in q, k and the cache.
  void Run(Rows rows) {
    const backend::Batch view = batch.View();
    ops::OracleRopeStore({.batch = &view,
                          .rope_table = table.data(),
                          .rope_dims = rope_dims,
                          .q = q.data(),
                          .num_q_heads = num_q_heads,
                          .k = k.data(),
                          .v = v.data(),
                          .cache = paged.cache.get(),
                          .layer = kLayer},
                         {rows.first, std::min(rows.first + rows.count, rows.num_rows)});
  }

  memory::LargeMemory memory{0};
  ops::PagedCache paged;
  ops::OwnedBatch batch;
  const int32_t rope_dims;
  const int32_t num_q_heads;
  std::vector<float> table, q, k, v;
};

// What the kernel sees of a step.
class DeviceStep {
 public:
  DeviceStep(Step& step, Rows rows)
      : rows_(rows),
        num_rows_(std::vector<int32_t>{rows.num_rows}),
        positions_(Counting(step.batch.positions)),
        sequences_(Counting(step.batch.sequences)),
        cache_(step.CacheBytes()),
        table_starts_(TableStarts(step)),
        blocks_(Blocks(step)),
        table_(step.table),
        q(step.q),
        k(step.k),
        v(step.v) {}

  void Run(Step& step) {
    const backend::KvShape& shape = step.cache().shape();
    const RopeStoreArgs args = {.step = {.num_rows = num_rows_.get(),
                                         .positions = positions_.get(),
                                         .sequences = sequences_.get(),
                                         .table_starts = table_starts_.get(),
                                         .blocks = blocks_.get()},
                                .kv = {.block_size = shape.block_size,
                                       .num_kv_heads = shape.num_kv_heads,
                                       .head_dim = shape.head_dim,
                                       .layer = kLayer,
                                       .tile_bytes = shape.TileBytes()},
                                .element = static_cast<Element>(shape.type),
                                .first = rows_.first,
                                .rope_table = table_.get(),
                                .rope_dims = step.rope_dims,
                                .num_q_heads = step.num_q_heads,
                                .q = q.get(),
                                .k = k.get(),
                                .v = v.get()};
    Launch(KernelId::kRopeStoreKernel, RopeStoreShape(static_cast<uint32_t>(rows_.count)), args);
  }
  std::vector<uint8_t> CacheBytes() const { return cache_.Download(); }

 private:
  // Rows that do not count hold what points nowhere.
  std::vector<int32_t> Counting(std::vector<int32_t> values) const {
    std::fill(values.begin() + rows_.num_rows, values.end(), kNowhere);
    return values;
  }
  // The last sequence's table comes first.
  static std::vector<int32_t> TableStarts(const Step& step) {
    std::vector<int32_t> starts(step.paged.tables.size());
    int32_t next = 0;
    for (size_t s = starts.size(); s-- > 0;) {
      starts[s] = next;
      next += static_cast<int32_t>(step.paged.tables[s].size());
    }
    return starts;
  }
  std::vector<uint8_t*> Blocks(Step& step) {
    std::vector<uint8_t*> blocks;
    for (size_t s = step.paged.tables.size(); s-- > 0;) {
      for (const int32_t block : step.paged.tables[s]) {
        blocks.push_back(cache_.get() + block * step.cache().shape().BlockBytes());
      }
    }
    return blocks;
  }

  const Rows rows_;
  DeviceArray<int32_t> num_rows_, positions_, sequences_;
  DeviceArray<uint8_t> cache_;
  DeviceArray<int32_t> table_starts_;
  DeviceArray<uint8_t*> blocks_;
  DeviceArray<float> table_;

 public:
  DeviceArray<float> q, k, v;
};

class RopeStoreKernelTest : public testing::TestWithParam<KvType> {
 protected:
  void Check(const Shape& shape, Rows rows, ops::Spread spread) {
    const std::string name =
        CaseName("rope_store", {static_cast<int>(GetParam()), shape.head_dim, shape.rope_dims,
                                shape.num_q_heads, shape.num_kv_heads, shape.block_size, rows.first,
                                rows.count, rows.num_rows, static_cast<int>(spread)});
    ForSeeds([&](uint64_t seed) {
      ops::Random random(1);
      Step step(random, GetParam(), shape, spread);
      DeviceStep on_device(step, rows);
      on_device.Run(step);
      const std::vector<float> v = step.v;
      step.Run(rows);
      EXPECT_EQ(FirstDifference(on_device.q.Download(), step.q), -1) << name;
      EXPECT_EQ(FirstDifference(on_device.k.Download(), step.k), -1) << name;
      EXPECT_EQ(FirstDifference(on_device.v.Download(), v), -1) << name;
      EXPECT_TRUE(on_device.CacheBytes() == step.CacheBytes()) << name;
      Record(seed, name, on_device.q.Download());
      Record(seed, name + "_cache", on_device.CacheBytes());
    });
  }
};

TEST_P(RopeStoreKernelTest, EqualsTheOracle) {
  constexpr Rows kAll = {0, kRows, kRows};
  for (const auto spread : {ops::Spread::kNormal, ops::Spread::kWide}) {
    for (const int32_t block_size : {16, 32}) {
      Check({8, 8, 3, 3, block_size}, kAll, spread);
      Check({48, 48, 9, 3, block_size}, kAll, spread);
      Check({64, 64, 4, 1, block_size}, kAll, spread);
      Check({80, 80, 2, 2, block_size}, kAll, spread);
      Check({128, 128, 6, 2, block_size}, kAll, spread);
      // More pairs of keys than threads.
      Check({128, 128, 6, 6, block_size}, kAll, spread);
    }
  }
}

TEST_P(RopeStoreKernelTest, DimensionsBeyondTheRotatedStay) {
  constexpr Rows kAll = {0, kRows, kRows};
  Check({8, 2, 3, 1, 16}, kAll, ops::Spread::kNormal);
  Check({80, 32, 4, 2, 16}, kAll, ops::Spread::kNormal);
  Check({128, 126, 2, 1, 32}, kAll, ops::Spread::kNormal);
  Check({48, 0, 2, 2, 16}, kAll, ops::Spread::kNormal);
}

TEST_P(RopeStoreKernelTest, OnlyRowsOfTheRangeThatCountAreTouched) {
  const Shape shape = {48, 48, 4, 2, 16};
  for (const Rows rows : {Rows{0, 1, kRows}, Rows{7, 9, kRows}, Rows{32, 1, kRows}, Rows{0, 33, 20},
                          Rows{12, 21, 13}}) {
    Check(shape, rows, ops::Spread::kNormal);
  }
}

INSTANTIATE_TEST_SUITE_P(KvTypes, RopeStoreKernelTest,
                         testing::Values(KvType::kF32, KvType::kF16, KvType::kBF16),
                         [](const auto& info) {
                           return std::string(backend::KvTypeName(info.param));
                         });

}  // namespace
}  // namespace llmrt::cuda
