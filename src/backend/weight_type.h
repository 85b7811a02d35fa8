// The element types that weights are stored in, with the geometry of their blocks. A block is the
// unit in which a type packs consecutive values of one row: `values` numbers in `bytes` bytes.
// What the bits of a block mean belongs to src/quant; this table only says how long things are.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace llmrt::backend {

// The numbers are the library's own, not those of any file format.
enum class WeightType : uint8_t {
  kF32 = 0,
  kF16 = 1,
  kBF16 = 2,
  kQ8_0 = 3,
  kQ4_0 = 4,
  kQ4_1 = 5,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ4_K = 8,
  kQ5_K = 9,
  kQ6_K = 10,
};

inline constexpr int kWeightTypeCount = 11;

struct BlockGeometry {
  std::string_view name;  // as the field writes it: "F16", "Q4_K"
  int32_t values;         // numbers a block holds
  int32_t bytes;          // bytes a block takes
};

constexpr BlockGeometry GeometryOf(WeightType type) {
  constexpr BlockGeometry kTable[kWeightTypeCount] = {
      {"F32", 1, 4},      {"F16", 1, 2}, {"BF16", 1, 2}, {"Q8_0", 32, 34},  // f16 scale, 32 int8
      {"Q4_0", 32, 18},                                                     // f16 scale, 32 nibbles
      {"Q4_1", 32, 20},    // f16 scale, f16 minimum, 32 nibbles
      {"Q5_0", 32, 22},    // f16 scale, 32 high bits, 32 nibbles
      {"Q5_1", 32, 24},    // f16 scale, f16 minimum, 32 high bits, 32 nibbles
      {"Q4_K", 256, 144},  // f16 scale and minimum, 12 bytes of 6-bit scales, 256 nibbles
      {"Q5_K", 256, 176},  // as Q4_K and 256 high bits
      {"Q6_K", 256, 210},  // 256 nibbles, 256 high pairs, 16 int8 scales, f16 scale
  };
  return kTable[static_cast<int>(type)];
}

// Bytes of one row of `cols` values; nullopt where the blocks do not divide the row.
constexpr std::optional<int64_t> RowBytes(WeightType type, int64_t cols) {
  const BlockGeometry geometry = GeometryOf(type);
  if (cols < 0 || cols % geometry.values != 0) return std::nullopt;
  return cols / geometry.values * geometry.bytes;
}

constexpr bool IsQuantized(WeightType type) { return type >= WeightType::kQ8_0; }

}  // namespace llmrt::backend
