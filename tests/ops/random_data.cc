#include "tests/ops/random_data.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "numerics/float_types.h"
#include "ops/host_storage.h"
#include "ops/kv_element.h"

namespace llmrt::ops {
namespace {

using backend::WeightType;

uint32_t Below(Random& random, uint32_t limit) {
  return std::uniform_int_distribution<uint32_t>(0, limit - 1)(random);
}

void PutU16(uint8_t* out, uint16_t value) { std::memcpy(out, &value, sizeof(value)); }

// A finite half.
uint16_t RandomHalf(Random& random, Spread spread) {
  if (spread == Spread::kNormal) {
    return numerics::F32ToF16(0.02f * std::normal_distribution<float>()(random));
  }
  switch (Below(random, 8)) {
    case 0:
      return 0;
    case 1:
      return static_cast<uint16_t>(1 + Below(random, 0x3ff));  // denormal
    case 2:
      return static_cast<uint16_t>(0x8001 + Below(random, 0x3ff));  // negative denormal
    case 3:
      return static_cast<uint16_t>(0x7800 + Below(random, 0x400));  // 32768 and above
    default:
      return static_cast<uint16_t>(Below(random, 0x8000) % 0x7c00 | Below(random, 2) << 15);
  }
}

// Offsets of the f16 fields of a block; -1: none.
struct HalfFields {
  int first;
  int second;
};

HalfFields FieldsOf(WeightType type) {
  switch (type) {
    case WeightType::kQ4_1:
    case WeightType::kQ5_1:
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      return {0, 2};
    case WeightType::kQ6_K:
      return {208, -1};
    default:
      return {0, -1};
  }
}

void FillQuantizedBlock(Random& random, WeightType type, Spread spread, uint8_t* block) {
  const backend::BlockGeometry geometry = backend::GeometryOf(type);
  for (int32_t i = 0; i < geometry.bytes; ++i) block[i] = static_cast<uint8_t>(random());
  // The extremes of every field at once: all ones, all zeros, and Q8_0's -128.
  if (spread == Spread::kWide && Below(random, 4) == 0) {
    constexpr uint8_t kExtremes[] = {0xff, 0x00, 0x80, 0x7f};
    std::memset(block, kExtremes[Below(random, 4)], geometry.bytes);
  }
  const HalfFields fields = FieldsOf(type);
  PutU16(block + fields.first, RandomHalf(random, spread));
  if (fields.second >= 0) PutU16(block + fields.second, RandomHalf(random, spread));
}

}  // namespace

float RandomFloat(Random& random, Spread spread) {
  const float value = std::normal_distribution<float>()(random);
  if (spread == Spread::kNormal) return value;
  switch (Below(random, 16)) {
    case 0:
      return 0.0f;
    case 1:
      return -0.0f;
    case 2:
      return value * 0x1p-130f;  // denormal: flushed by every class
    case 3:
      return value * 0x1p-70f;  // two of them make a denormal product
    case 4:
      return value * 0x1p30f;
    default:
      return value * static_cast<float>(1 << Below(random, 12));
  }
}

std::vector<float> RandomFloats(Random& random, int64_t count, Spread spread) {
  std::vector<float> values(count);
  for (float& value : values) value = RandomFloat(random, spread);
  if (spread == Spread::kWide) {
    // Whole activation blocks of zeros, of one sign, and of tiny numbers.
    for (int64_t i = 0; i + 32 <= count; i += 32) {
      const uint32_t kind = Below(random, 8);
      for (int64_t j = i; j < i + 32 && kind < 3; ++j) {
        values[j] = kind == 0 ? 0.0f : kind == 1 ? 1.0f : values[j] * 0x1p-120f;
      }
    }
  }
  return values;
}

std::vector<uint8_t> RandomWeights(Random& random, WeightType type, int64_t rows, int64_t cols,
                                   Spread spread) {
  const int64_t row_bytes = backend::RowBytes(type, cols).value();
  std::vector<uint8_t> bytes(rows * row_bytes);
  const backend::BlockGeometry geometry = backend::GeometryOf(type);
  for (int64_t i = 0; i < rows * row_bytes; i += geometry.bytes) {
    uint8_t* out = bytes.data() + i;
    if (backend::IsQuantized(type)) {
      FillQuantizedBlock(random, type, spread, out);
    } else if (type == WeightType::kF32) {
      const float value = RandomFloat(random, spread);
      std::memcpy(out, &value, sizeof(value));
    } else if (type == WeightType::kBF16) {
      PutU16(out, numerics::F32ToBF16(RandomFloat(random, spread)));
    } else {
      PutU16(out, RandomHalf(random, spread));
    }
  }
  return bytes;
}

bool SameBits(const float* a, const float* b, int64_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

int64_t FirstDifference(absl::Span<const float> a, absl::Span<const float> b) {
  if (a.size() != b.size()) return static_cast<int64_t>(std::min(a.size(), b.size()));
  for (size_t i = 0; i < a.size(); ++i) {
    if (!SameBits(&a[i], &b[i], 1)) return static_cast<int64_t>(i);
  }
  return -1;
}

PagedCache MakePagedCache(Random& random, memory::LargeMemory& memory,
                          const backend::KvShape& shape, const std::vector<int32_t>& lengths) {
  PagedCache paged;
  int32_t blocks_needed = 0;
  for (const int32_t length : lengths) {
    blocks_needed += (length + shape.block_size - 1) / shape.block_size;
  }
  const int32_t num_blocks = blocks_needed + 3;
  paged.cache = HostKvCache::Create(memory, shape, num_blocks).value();
  auto& cache = static_cast<HostKvCache&>(*paged.cache);
  std::memset(cache.data(), 0xff, num_blocks * shape.BlockBytes());

  std::vector<int32_t> order(num_blocks);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  size_t next = 0;
  for (const int32_t length : lengths) {
    std::vector<int32_t>& table = paged.tables.emplace_back();
    for (int32_t t = 0; t < length; ++t) {
      if (t % shape.block_size == 0) table.push_back(order[next++]);
      for (int32_t i = 0; i < shape.num_layers * 2 * shape.num_kv_heads; ++i) {
        uint8_t* tile = cache.Tile(table.back(), 0, 0, 0) + i * shape.TileBytes();
        const int64_t slot = int64_t{t % shape.block_size} * shape.head_dim;
        for (int32_t d = 0; d < shape.head_dim; ++d) {
          StoreKv(shape.type, std::normal_distribution<float>()(random), tile, slot + d);
        }
      }
    }
  }
  for (const auto& table : paged.tables) paged.table_spans.emplace_back(table);
  return paged;
}

void OwnedBatch::Add(int32_t sequence, int32_t position) {
  tokens.push_back(0);
  positions.push_back(position);
  sequences.push_back(sequence);
}

backend::Batch OwnedBatch::View() const {
  return {.tokens = tokens, .positions = positions, .sequences = sequences, .block_tables = tables};
}

}  // namespace llmrt::ops
