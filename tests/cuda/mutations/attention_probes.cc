// Probes of attention: rows of two sequences, positions around the edges of tiles and splits,
// several query heads of several KV heads, units left out at both ends.
#include "cuda/kernels/attention.h"
#include "tests/cuda/mutations/probe.h"

namespace llmrt::cuda {
namespace {

struct Batch {
  ProbeCache cache;
  int32_t group;                          // query heads of a KV head
  std::vector<AttentionTile> tiles = {};  // none: each row alone
  uint32_t splits = 0;                    // 0: no partial states
};

constexpr int32_t kSplitsMax = 3;

// One tile more than there are.
std::vector<AttentionTile> LaunchedTiles(const Batch& batch) {
  std::vector<AttentionTile> tiles = batch.tiles;
  tiles.push_back({0, 1});
  return tiles;
}

int32_t TileRows(const Batch& batch) {
  int32_t rows = 1;
  for (const AttentionTile& tile : batch.tiles) rows = std::max(rows, tile.num_rows);
  return rows;
}

Outcome Attention(KernelId kernel, AttentionVariant variant, const Batch& batch) {
  ProbeRandom random(1);
  const ProbeStep step(batch.cache);
  const int32_t heads = batch.cache.num_kv_heads * batch.group;
  const int64_t units = int64_t{step.launched_rows()} * heads;
  const DeviceArray<float> q(random.Floats(units * batch.cache.head_dim));
  const DeviceArray<AttentionTile> tiles(LaunchedTiles(batch));
  const DeviceArray<int32_t> num_tiles(
      std::vector<int32_t>{static_cast<int32_t>(batch.tiles.size())});
  const bool has_tiles = !batch.tiles.empty();
  const DeviceArray<float> out(Poisoned<float>(units * batch.cache.head_dim));
  const DeviceArray<float> partial(
      Poisoned<float>(units * kSplitsMax * (batch.cache.head_dim + 2)));
  const AttentionArgs args = {.step = step.View(),
                              .kv = batch.cache.Layout(),
                              .element = batch.cache.element,
                              .num_q_heads = heads,
                              .scale = 0.25f,
                              .first_unit = 1,
                              .end_unit = static_cast<int64_t>(batch.cache.rows.size()) * heads - 1,
                              .tiles = has_tiles ? tiles.get() : nullptr,
                              .num_tiles = has_tiles ? num_tiles.get() : nullptr,
                              .tile_rows = TileRows(batch),
                              .q = q.get(),
                              .out = out.get(),
                              .partial = batch.splits == 0 ? nullptr : partial.get(),
                              .splits_max = kSplitsMax};
  const uint32_t blocks = has_tiles ? static_cast<uint32_t>(tiles.size()) : step.launched_rows();
  const uint32_t splits = std::max(batch.splits, 1u);
  return LaunchProbe(kernel,
                     batch.cache.element == Element::kF32
                         ? AttentionFloat32Shape(args, blocks, splits)
                         : AttentionShape(args, variant, blocks, splits),
                     args, out, partial);
}

// Rows alone, one of which needs two splits. Its rows of 48 bytes are copied asynchronously.
Batch Decode(Element element) {
  return {.cache = {.element = element,
                    .num_kv_heads = 2,
                    .head_dim = 24,
                    .block_size = 16,
                    .lengths = {290, 40},
                    .rows = {{1, 37}, {0, 289}}},
          .group = 2};
}

// Tiles of rows, one of which does not count, their splits over blocks. Rows of 40 bytes are copied
// by loads and stores.
Batch Prefill(Element element, int32_t group) {
  return {.cache = {.element = element,
                    .num_kv_heads = 2,
                    .head_dim = 20,
                    .block_size = 8,
                    .lengths = {30, 270},
                    .rows = {{0, 28}, {0, 29}, {1, 259}, {1, 260}, {1, 261}, {1, 262}}},
          .group = group,
          .tiles = {{0, 2}, {2, 5}},
          .splits = 2};
}

// Values that only the second row sees are infinite, so that each lane holds some of them.
Batch Infinite(Element element) {
  return {.cache = {.element = element,
                    .num_kv_heads = 1,
                    .head_dim = 16,
                    .block_size = 16,
                    .lengths = {32},
                    .rows = {{0, 20}, {0, 31}},
                    .infinite = {24, 26, 28, 30}},
          .group = 4,
          .tiles = {{0, 2}}};
}

std::vector<Probe> Of(KernelId kernel, Element element, AttentionVariant variant) {
  const auto probe = [=](const Batch& batch) -> Probe {
    return [=] { return Attention(kernel, variant, batch); };
  };
  if (element == Element::kF32) return {probe(Decode(element)), probe(Prefill(element, 1))};
  // The 12 pairs of a tile's rows that count need two blocks of 8 columns, 36 two blocks of 32.
  const int32_t group = variant == AttentionVariant::kColumns8 ? 3 : 9;
  return {probe(Decode(element)), probe(Prefill(element, group)), probe(Infinite(element))};
}

// The states of up to three splits.
Outcome Merge() {
  ProbeRandom random(2);
  const ProbeCache cache = {.element = Element::kF16,
                            .num_kv_heads = 1,
                            .head_dim = 24,
                            .block_size = 256,
                            .lengths = {700, 300},
                            .rows = {{0, 100}, {1, 290}, {0, 699}}};
  const ProbeStep step(cache);
  constexpr int32_t kHeads = 2;
  const int64_t units = int64_t{step.launched_rows()} * kHeads;
  const DeviceArray<float> partial(random.Floats(units * kSplitsMax * (cache.head_dim + 2)));
  const DeviceArray<float> out(Poisoned<float>(units * cache.head_dim));
  const AttentionArgs args = {.step = step.View(),
                              .kv = cache.Layout(),
                              .element = cache.element,
                              .num_q_heads = kHeads,
                              .first_unit = 1,
                              .end_unit = units,
                              .tile_rows = 1,
                              .out = out.get(),
                              .partial = partial.get(),
                              .splits_max = kSplitsMax};
  return LaunchProbe(KernelId::kAttentionMergeKernel, AttentionMergeShape(args), args, out);
}

}  // namespace

std::vector<Probe> AttentionProbes(KernelId kernel) {
  switch (kernel) {
    case KernelId::kAttentionFloat32Kernel:
      return Of(kernel, Element::kF32, AttentionVariant::kColumns8);
    case KernelId::kAttentionHalf8Kernel:
      return Of(kernel, Element::kF16, AttentionVariant::kColumns8);
    case KernelId::kAttentionHalf32Kernel:
      return Of(kernel, Element::kF16, AttentionVariant::kColumns32);
    case KernelId::kAttentionBFloat8Kernel:
      return Of(kernel, Element::kBF16, AttentionVariant::kColumns8);
    case KernelId::kAttentionBFloat32Kernel:
      return Of(kernel, Element::kBF16, AttentionVariant::kColumns32);
    case KernelId::kAttentionMergeKernel:
      return {Merge};
    default:
      return {};
  }
}

}  // namespace llmrt::cuda
