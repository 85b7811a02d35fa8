#include "tests/cuda/mutations/probe.h"

#include <limits>
#include <numeric>

#include "numerics/float_types.h"

namespace llmrt::cuda {
namespace {

constexpr int32_t kLayers = 2;
constexpr int32_t kLayer = 1;
// Of rows that do not count: their position and sequence point nowhere. A mutation may compute with
// it, which must not overflow.
constexpr int32_t kNowhere = 0x10000000;

int32_t BlockCount(const ProbeCache& cache, size_t sequence) {
  return (cache.lengths[sequence] + cache.block_size - 1) / cache.block_size;
}

// First entry of each sequence's table.
std::vector<int32_t> TableStarts(const ProbeCache& cache) {
  std::vector<int32_t> starts(cache.lengths.size());
  int32_t next = 0;
  for (size_t s = starts.size(); s-- > 0;) {
    starts[s] = next;
    next += BlockCount(cache, s);
  }
  return starts;
}

std::vector<int32_t> OfRows(const ProbeCache& cache, int32_t ProbeRow::*member) {
  std::vector<int32_t> values(cache.rows.size() + cache.ignored_rows, kNowhere);
  for (size_t i = 0; i < cache.rows.size(); ++i) values[i] = cache.rows[i].*member;
  return values;
}

int64_t BlockBytes(const ProbeCache& cache) {
  return int64_t{kLayers} * 2 * cache.num_kv_heads * cache.Layout().tile_bytes;
}

// The cache's bytes; `table` as in ProbeStep.
std::vector<uint8_t> CacheBytes(const ProbeCache& cache, const std::vector<int32_t>& table) {
  ProbeRandom random(7);
  const KvLayout kv = cache.Layout();
  std::vector<uint8_t> bytes(table.size() * BlockBytes(cache), 0xff);
  const std::vector<int32_t> starts = TableStarts(cache);
  for (size_t s = 0; s < cache.lengths.size(); ++s) {
    for (int32_t t = 0; t < cache.lengths[s]; ++t) {
      uint8_t* block = &bytes[table[starts[s] + t / kv.block_size] * BlockBytes(cache)];
      const bool infinite = s == 0 && std::find(cache.infinite.begin(), cache.infinite.end(), t) !=
                                          cache.infinite.end();
      for (int32_t tile = 0; tile < kLayers * 2 * kv.num_kv_heads; ++tile) {
        const bool is_value = tile / kv.num_kv_heads % 2 == 1;
        uint8_t* out = block + tile * kv.tile_bytes +
                       t % kv.block_size * kv.head_dim * ElementBytes(cache.element);
        for (int32_t i = 0; i < kv.head_dim; ++i) {
          const float value = random.Float();
          out = PutElement(cache.element,
                           infinite && is_value ? std::numeric_limits<float>::infinity() : value,
                           out);
        }
      }
    }
  }
  return bytes;
}

}  // namespace

uint8_t* PutElement(Element element, float value, uint8_t* out) {
  if (element == Element::kF32) {
    std::memcpy(out, &value, 4);
  } else {
    const uint16_t bits =
        element == Element::kF16 ? numerics::F32ToF16(value) : numerics::F32ToBF16(value);
    std::memcpy(out, &bits, 2);
  }
  return out + ElementBytes(element);
}

std::vector<uint8_t> ProbeRandom::Elements(Element element, int64_t count) {
  std::vector<uint8_t> bytes(count * ElementBytes(element));
  for (uint8_t* out = bytes.data(); out != bytes.data() + bytes.size();) {
    out = PutElement(element, Float(), out);
  }
  return bytes;
}

KvLayout ProbeCache::Layout() const {
  return {.block_size = block_size,
          .num_kv_heads = num_kv_heads,
          .head_dim = head_dim,
          .layer = kLayer,
          .tile_bytes = (block_size * head_dim * ElementBytes(element) + 63) / 64 * 64};
}

std::vector<int32_t> ProbeStep::BlocksOf(const ProbeCache& cache) {
  int32_t count = 0;
  for (size_t s = 0; s < cache.lengths.size(); ++s) count += BlockCount(cache, s);
  std::vector<int32_t> blocks(count);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::mt19937 random(3);
  std::shuffle(blocks.begin(), blocks.end(), random);
  return blocks;
}

ProbeStep::ProbeStep(const ProbeCache& cache)
    : table_(BlocksOf(cache)),
      num_rows_(std::vector<int32_t>{static_cast<int32_t>(cache.rows.size())}),
      positions_(OfRows(cache, &ProbeRow::position)),
      sequences_(OfRows(cache, &ProbeRow::sequence)),
      table_starts_(TableStarts(cache)),
      cache_(CacheBytes(cache, table_)),
      blocks_(table_.size()) {
  std::vector<uint8_t*> addresses;
  for (const int32_t block : table_) addresses.push_back(cache_.get() + block * BlockBytes(cache));
  blocks_.Upload(addresses);
}

StepView ProbeStep::View() const {
  return {.num_rows = num_rows_.get(),
          .tokens = nullptr,
          .positions = positions_.get(),
          .sequences = sequences_.get(),
          .table_starts = table_starts_.get(),
          .blocks = blocks_.get()};
}

std::vector<Probe> ProbesOf(KernelId kernel) {
  for (const auto probes_of : {RowProbes, DrawProbes, MatMulProbes, AttentionProbes}) {
    std::vector<Probe> probes = probes_of(kernel);
    if (!probes.empty()) return probes;
  }
  return {};
}

}  // namespace llmrt::cuda
