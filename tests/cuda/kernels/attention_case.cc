#include "cuda/kernels/attention_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cuda/kernels/mma_oracle.h"
#include "ops/attention.h"
#include "ops/kv_element.h"

namespace llmrt::cuda {
namespace {

constexpr int32_t kLayers = 2;
constexpr int32_t kLayer = 1;

backend::KvShape ShapeOf(const AttentionCase::Options& options) {
  constexpr backend::KvType kTypes[] = {backend::KvType::kF32, backend::KvType::kF16,
                                        backend::KvType::kBF16};
  return {.num_layers = kLayers,
          .num_kv_heads = options.num_kv_heads,
          .head_dim = options.head_dim,
          .block_size = options.block_size,
          .type = kTypes[static_cast<int>(options.element)]};
}

// A step's arrays on the device.
struct DeviceStep {
  DeviceStep(const ops::PagedCache& paged, const std::vector<AttentionRow>& rows,
             int32_t ignored_rows)
      : num_rows(std::vector<int32_t>{static_cast<int32_t>(rows.size())}),
        positions(rows.size() + ignored_rows),
        sequences(rows.size() + ignored_rows),
        cache(CacheBytes(paged)) {
    // Rows that do not count keep their poison: a position and a sequence of -1.
    std::vector<int32_t> all_positions(positions.size(), -1), all_sequences(positions.size(), -1);
    for (size_t i = 0; i < rows.size(); ++i) {
      all_positions[i] = rows[i].position;
      all_sequences[i] = rows[i].sequence;
    }
    positions.Upload(all_positions);
    sequences.Upload(all_sequences);
    std::vector<int32_t> starts;
    std::vector<uint8_t*> addresses;
    const int64_t block_bytes = paged.cache->shape().BlockBytes();
    for (const std::vector<int32_t>& table : paged.tables) {
      starts.push_back(static_cast<int32_t>(addresses.size()));
      for (const int32_t block : table) addresses.push_back(cache.get() + block * block_bytes);
    }
    table_starts.emplace(starts);
    blocks.emplace(addresses);
  }
  static std::vector<uint8_t> CacheBytes(const ops::PagedCache& paged) {
    const auto& host = static_cast<const ops::HostKvCache&>(*paged.cache);
    return {host.data(), host.data() + host.num_blocks() * host.shape().BlockBytes()};
  }
  StepView View() const {
    return {.num_rows = num_rows.get(),
            .tokens = nullptr,
            .positions = positions.get(),
            .sequences = sequences.get(),
            .table_starts = table_starts->get(),
            .blocks = blocks->get()};
  }
  DeviceArray<int32_t> num_rows, positions, sequences;
  DeviceArray<uint8_t> cache;
  std::optional<DeviceArray<int32_t>> table_starts;
  std::optional<DeviceArray<uint8_t*>> blocks;
};

}  // namespace

AttentionCase::AttentionCase(const Options& options, std::vector<int32_t> lengths)
    : options_(options),
      scale_(1.0f / std::sqrt(static_cast<float>(options.head_dim))),
      random_(static_cast<uint32_t>(options.head_dim * 1000 + options.group)),
      paged_(ops::MakePagedCache(random_, memory_, ShapeOf(options), lengths)) {
  for (const int32_t length : lengths) {
    queries_.push_back(
        ops::RandomFloats(random_, int64_t{length} * row_floats(), ops::Spread::kNormal));
  }
}

uint8_t* AttentionCase::Slot(int32_t sequence, int32_t which, int32_t kv_head, int32_t t) const {
  const auto& cache = static_cast<const ops::HostKvCache&>(*paged_.cache);
  const int32_t block = paged_.tables[sequence][t / options_.block_size];
  return cache.Tile(block, kLayer, which, kv_head) +
         t % options_.block_size * options_.head_dim * backend::KvElementBytes(cache.shape().type);
}

void AttentionCase::SetValue(int32_t sequence, int32_t position, int32_t kv_head, int32_t dim,
                             uint16_t bits) {
  reinterpret_cast<uint16_t*>(Slot(sequence, 1, kv_head, position))[dim] = bits;
}

std::vector<float> AttentionCase::Run(const AttentionBatch& batch) {
  const size_t launched = batch.rows.size() + batch.ignored_rows;
  const DeviceStep step(paged_, batch.rows, batch.ignored_rows);
  std::vector<float> queries(launched * row_floats(), std::numeric_limits<float>::quiet_NaN());
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    std::copy_n(Query(batch.rows[i]), row_floats(), &queries[i * row_floats()]);
  }
  const DeviceArray<float> q(queries), out(queries.size());
  // One tile more than there are: the kernel must not take it.
  std::vector<AttentionTile> all_tiles = batch.tiles;
  all_tiles.push_back({0, 1});
  const DeviceArray<AttentionTile> tiles(all_tiles);
  const DeviceArray<int32_t> num_tiles(
      std::vector<int32_t>{static_cast<int32_t>(batch.tiles.size())});
  const backend::KvShape shape = ShapeOf(options_);
  const int32_t splits_max = 4;
  const DeviceArray<float> partial(launched * num_q_heads() * splits_max * (shape.head_dim + 2));
  const AttentionArgs args = {.step = step.View(),
                              .kv = {.block_size = shape.block_size,
                                     .num_kv_heads = shape.num_kv_heads,
                                     .head_dim = shape.head_dim,
                                     .layer = kLayer,
                                     .tile_bytes = shape.TileBytes()},
                              .element = options_.element,
                              .num_q_heads = num_q_heads(),
                              .scale = scale_,
                              .first_unit = batch.units.has_value() ? batch.units->begin : 0,
                              .end_unit = batch.units.has_value()
                                              ? batch.units->end
                                              : static_cast<int64_t>(launched) * num_q_heads(),
                              .tiles = batch.tiles.empty() ? nullptr : tiles.get(),
                              .num_tiles = batch.tiles.empty() ? nullptr : num_tiles.get(),
                              .tile_rows = batch.tile_rows,
                              .q = q.get(),
                              .out = out.get(),
                              .partial = batch.splits == 0 ? nullptr : partial.get(),
                              .splits_max = splits_max};
  const uint32_t grid_tiles =
      static_cast<uint32_t>(batch.tiles.empty() ? launched : all_tiles.size());
  const uint32_t splits = std::max(batch.splits, 1u);
  AttentionLaunch launch = AttentionLaunchFor(args, grid_tiles, splits);
  if (batch.variant.has_value() && options_.element != Element::kF32) {
    launch = {AttentionKernelId(options_.element, *batch.variant),
              AttentionShape(args, *batch.variant, grid_tiles, splits)};
  }
  TestDevice& device = TestDevice::Get();
  EXPECT_EQ(device.Launch(launch.kernel, launch.shape, args), "");
  if (batch.splits != 0) {
    EXPECT_EQ(device.Launch(KernelId::kAttentionMergeKernel, AttentionMergeShape(args), args), "");
  }
  return out.Download();
}

std::vector<float> AttentionCase::Expected(const AttentionBatch& batch) {
  const size_t launched = batch.rows.size() + batch.ignored_rows;
  std::vector<uint8_t> poison(launched * row_floats() * sizeof(float), 0xff);
  std::vector<float> out(launched * row_floats());
  std::memcpy(out.data(), poison.data(), poison.size());
  const backend::Range all = {0, static_cast<int64_t>(launched) * num_q_heads()};
  const backend::Range units = batch.units.value_or(all);
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    const std::vector<float>& row = ExpectedRow(batch.rows[i]);
    for (int32_t head = 0; head < num_q_heads(); ++head) {
      const int64_t unit = static_cast<int64_t>(i) * num_q_heads() + head;
      if (unit < units.begin || unit >= units.end) continue;
      std::copy_n(&row[head * options_.head_dim], options_.head_dim,
                  &out[unit * options_.head_dim]);
    }
  }
  return out;
}

const std::vector<float>& AttentionCase::ExpectedRow(const AttentionRow& row) {
  std::vector<float>& expected = expected_[{row.sequence, row.position}];
  if (expected.empty()) {
    expected = options_.element == Element::kF32 ? Float32Row(row) : MmaRow(row);
  }
  return expected;
}

std::vector<float> AttentionCase::Float32Row(const AttentionRow& row) const {
  ops::OwnedBatch batch;
  batch.tables = paged_.table_spans;
  batch.Add(row.sequence, row.position);
  const backend::Batch view = batch.View();
  std::vector<float> out(row_floats());
  ops::OracleAttention({.batch = &view,
                        .q = Query(row),
                        .num_q_heads = num_q_heads(),
                        .scale = scale_,
                        .cache = paged_.cache.get(),
                        .layer = kLayer,
                        .out = out.data()},
                       {0, num_q_heads()});
  return out;
}

std::vector<float> AttentionCase::MmaRow(const AttentionRow& row) const {
  std::vector<float> out;
  for (int32_t head = 0; head < num_q_heads(); ++head) {
    const std::vector<float> values =
        MmaAttend({.element = options_.element,
                   .unit = MatrixUnitOf(options_.major),
                   .head_dim = options_.head_dim,
                   .scale = scale_,
                   .q = Query(row) + head * options_.head_dim,
                   .position = row.position,
                   .row = [&](int32_t which, int32_t t) {
                     return reinterpret_cast<const uint16_t*>(
                         Slot(row.sequence, which, head / options_.group, t));
                   }});
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

// q and p are rounded to u of themselves, so a score is off by less than d = 1.1 u S, S the largest
// sum of |q k| scale (the products' own roundings are below a tenth of that), a weight by a factor
// of e^2d (1 + u), and an average of values by 1.2 (2 d + u) of the largest; halves below 2^-14
// lose up to 2^-25 each, in 600 keys less than 2^-15 in all.
AttentionCase::Formula AttentionCase::FormulaOf(const AttentionRow& row, int32_t head) const {
  const backend::KvType type = paged_.cache->shape().type;
  const int32_t kv_head = head / options_.group, head_dim = options_.head_dim;
  const auto at = [&](int32_t which, int32_t t, int32_t i) {
    return double{ops::LoadKv(type, Slot(row.sequence, which, kv_head, t), i)};
  };
  const float* q = Query(row) + head * head_dim;
  Formula formula = {std::vector<double>(head_dim, 0.0), 0.0};
  double sum = 0.0, largest_score = 0.0, largest_value = 0.0;
  for (int32_t t = 0; t <= row.position; ++t) {
    double dot = 0.0, magnitude = 0.0;
    for (int32_t i = 0; i < head_dim; ++i) {
      dot += q[i] * at(0, t, i);
      magnitude += std::abs(q[i] * at(0, t, i));
      largest_value = std::max(largest_value, std::abs(at(1, t, i)));
    }
    largest_score = std::max(largest_score, magnitude * scale_);
    const double p = std::exp(dot * scale_);  // small enough without subtracting the largest
    sum += p;
    for (int32_t i = 0; i < head_dim; ++i) formula.out[i] += p * at(1, t, i);
  }
  for (double& value : formula.out) value /= sum;
  const double u = options_.element == Element::kF16 ? 0x1p-11 : 0x1p-8;
  formula.bound = (1.2 * (2.2 * u * largest_score + u) + 0x1p-15) * largest_value;
  return formula;
}

}  // namespace llmrt::cuda
