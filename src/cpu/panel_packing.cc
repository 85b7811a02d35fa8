#include "cpu/panel_packing.h"

#include <algorithm>
#include <cstring>

#include "cpu/panel_layout.h"
#include "numerics/float_types.h"
#include "quant/dequantize.h"
#include "quant/k_scales.h"

namespace llmrt::cpu {
namespace {

using backend::WeightType;

constexpr int64_t kDword = 4;
constexpr int64_t kVectorBytes = kPanelRows * kDword;  // one dword of each feature
constexpr int64_t kScaleBytes = kPanelRows * 2;        // one f16 of each feature
constexpr int64_t kNibbleBytes = kBlockValues / 2;     // of one block of one feature

// Every file's row passes through here while it is loaded: the functions below are compiled for
// each type, so that places are constants.
template <WeightType kType>
constexpr PanelLayout kLayoutOf = LayoutOf(kType);

// Where block `block` begins in its panel: the group, and the block's number inside it.
struct BlockPlace {
  int64_t group_offset;
  int64_t part;
};

constexpr BlockPlace PlaceOf(const PanelLayout& layout, int64_t block) {
  const int64_t blocks = layout.group_values / kBlockValues;
  return {block / blocks * layout.group_bytes, block % blocks};
}

uint32_t ReadU32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float ReadF16(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return numerics::F16ToF32(bits);
}

float ReadBF16(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return numerics::BF16ToF32(bits);
}

// Values [begin, end) of a feature lie in runs of kRun, each kBytes long: take(first, count) for
// each run or part of one, ascending.
template <int64_t kRun, int64_t kBytes, typename Take>
void UnpackRuns(const uint8_t* panel, int64_t feature, int64_t begin, int64_t end, Take take) {
  for (int64_t k = begin; k < end;) {
    const int64_t count = std::min(end - k, kRun - k % kRun);
    take(panel + ((k / kRun * kPanelRows + feature) * kRun + k % kRun) * kBytes, count);
    k += count;
  }
}

// `count` dwords, one vector apart, to the feature's place in each.
void ScatterDwords(const uint8_t* dwords, int64_t count, uint8_t* first) {
  for (int64_t v = 0; v < count; ++v) {
    std::memcpy(first + v * kVectorBytes, dwords + v * kDword, kDword);
  }
}

// Four copies of a byte.
constexpr uint32_t Bytes(uint32_t byte) { return byte * 0x01010101u; }

// Bit i of `bits`, i < 4, to bit 0 of byte i.
constexpr uint32_t SpreadBits(uint32_t bits) {
  return (bits & 1) | (bits & 2) << 7 | (bits & 4) << 14 | (bits & 8) << 21;
}

// The fifth bits of a block, bit i that of value i, to the feature's dword of the plane.
void StoreFifthBits(uint32_t bits, uint8_t* plane) {
  uint32_t out = 0;
  for (int v = 0; v < 8; ++v) out |= SpreadBits(bits >> 4 * v & 15) << v;
  std::memcpy(plane, &out, sizeof(out));
}

// A block of a type with 32 values, except Q8_0: f16 scale, offset, fifth bits, nibbles in the
// order that they have here.
template <WeightType kType>
void PackBlock(const uint8_t* block, int64_t part, int64_t feature, uint8_t* group) {
  constexpr PanelLayout kLayout = kLayoutOf<kType>;
  std::memcpy(group + part * kScaleBytes + feature * 2, block, 2);
  block += 2;
  if (kLayout.offsets_at != 0) {
    std::memcpy(group + kLayout.offsets_at + part * kScaleBytes + feature * 2, block, 2);
    block += 2;
  }
  if (kLayout.planes_at != 0) {
    StoreFifthBits(ReadU32(block),
                   group + kLayout.planes_at + part * kLayout.plane_bytes + feature * kDword);
    block += 4;
  }
  ScatterDwords(block, kNibbleBytes / kDword,
                group + kLayout.values_at + part * kLayout.value_bytes + feature * kDword);
}

template <WeightType kType>
void PackQ8_0(const uint8_t* block, int64_t part, int64_t feature, uint8_t* group) {
  constexpr PanelLayout kLayout = kLayoutOf<kType>;
  std::memcpy(group + part * kScaleBytes + feature * 2, block, 2);
  uint8_t biased[kBlockValues];
  for (int64_t i = 0; i < kBlockValues; ++i) biased[i] = block[2 + i] ^ 0x80;
  ScatterDwords(biased, kBlockValues / kDword,
                group + kLayout.values_at + part * kLayout.value_bytes + feature * kDword);
}

// Two blocks whose values lie in the low and in the high nibbles of 32 bytes, to blocks `low` and
// `high` of the group.
template <WeightType kType>
void PackSplitNibbles(const uint8_t* nibbles, int64_t low, int64_t high, int64_t feature,
                      uint8_t* group) {
  constexpr PanelLayout kLayout = kLayoutOf<kType>;
  uint8_t* low_out = group + kLayout.values_at + low * kLayout.value_bytes + feature * kDword;
  uint8_t* high_out = group + kLayout.values_at + high * kLayout.value_bytes + feature * kDword;
  for (int64_t v = 0; v < 4; ++v) {
    const uint32_t first = ReadU32(nibbles + v * kDword);
    const uint32_t second = ReadU32(nibbles + 16 + v * kDword);
    const uint32_t low_dword = (first & Bytes(15)) | (second & Bytes(15)) << 4;
    const uint32_t high_dword = (first >> 4 & Bytes(15)) | (second & Bytes(0xf0));
    std::memcpy(low_out + v * kVectorBytes, &low_dword, kDword);
    std::memcpy(high_out + v * kVectorBytes, &high_dword, kDword);
  }
}

// The header that Q4_K and Q5_K share, byte by byte.
template <WeightType kType>
void PackKHeader(const uint8_t* super, int64_t feature, uint8_t* group) {
  constexpr PanelLayout kLayout = kLayoutOf<kType>;
  std::memcpy(group + feature * 2, super, 2);
  std::memcpy(group + kLayout.offsets_at + feature * 2, super + 2, 2);
  for (int64_t b = 0; b < 12; ++b) {
    group[kSuperScalesAt + b * kPanelRows + feature] = super[4 + b];
  }
}

template <WeightType kType>
void PackQ4_K(const uint8_t* super, int64_t feature, uint8_t* group) {
  PackKHeader<kType>(super, feature, group);
  for (int64_t pair = 0; pair < 4; ++pair) {
    PackSplitNibbles<kType>(super + 16 + pair * 32, 2 * pair, 2 * pair + 1, feature, group);
  }
}

// The file keeps the fifth bits of value i of all eight blocks in one byte, a bit a block; here a
// byte holds those of one block, a bit for each v.
template <WeightType kType>
void PackQ5_K(const uint8_t* super, int64_t feature, uint8_t* group) {
  constexpr PanelLayout kLayout = kLayoutOf<kType>;
  PackKHeader<kType>(super, feature, group);
  uint32_t high[8];
  std::memcpy(high, super + 16, sizeof(high));
  for (int64_t part = 0; part < 8; ++part) {
    uint32_t plane = 0;
    for (int v = 0; v < 8; ++v) plane |= (high[v] >> part & Bytes(1)) << v;
    std::memcpy(group + kLayout.planes_at + part * kLayout.plane_bytes + feature * kDword, &plane,
                kDword);
  }
  for (int64_t pair = 0; pair < 4; ++pair) {
    PackSplitNibbles<kType>(super + 48 + pair * 32, 2 * pair, 2 * pair + 1, feature, group);
  }
}

// Halves of 128 values: their blocks 0 and 2 share 32 bytes of nibbles, 1 and 3 the next; bits
// 2 * quarter of 32 bytes are the top bits of the half's block `quarter`.
template <WeightType kType>
void PackQ6_K(const uint8_t* super, int64_t feature, uint8_t* group) {
  constexpr PanelLayout kLayout = kLayoutOf<kType>;
  std::memcpy(group + feature * 2, super + 208, 2);
  for (int64_t i = 0; i < 16; ++i) {
    group[kSuperScalesAt + i * kPanelRows + feature] = super[192 + i];
  }
  for (int64_t half = 0; half < 2; ++half) {
    const uint8_t* nibbles = super + half * 64;
    PackSplitNibbles<kType>(nibbles, half * 4, half * 4 + 2, feature, group);
    PackSplitNibbles<kType>(nibbles + 32, half * 4 + 1, half * 4 + 3, feature, group);
    uint32_t high[8];
    std::memcpy(high, super + 128 + half * 32, sizeof(high));
    for (int64_t quarter = 0; quarter < 4; ++quarter) {
      uint32_t planes[2] = {0, 0};
      for (int v = 0; v < 8; ++v) {
        planes[v / 4] |= (high[v] >> 2 * quarter & Bytes(3)) << 2 * (v % 4);
      }
      uint8_t* out = group + kLayout.planes_at + (half * 4 + quarter) * kLayout.plane_bytes;
      std::memcpy(out + feature * kDword, &planes[0], kDword);
      std::memcpy(out + kVectorBytes + feature * kDword, &planes[1], kDword);
    }
  }
}

void PackFloats(WeightType type, const uint8_t* row, int64_t cols, int64_t feature,
                uint8_t* panel) {
  const int64_t bytes = backend::GeometryOf(type).bytes;
  // BF16 keeps a dword, that is a pair, of each feature side by side; the others 16 values.
  const int64_t run = type == WeightType::kBF16 ? 2 : 16;
  const int64_t group_values = LayoutOf(type).group_values;
  const int64_t padded = (cols + group_values - 1) / group_values * group_values;
  uint8_t* out = panel + feature * run * bytes;
  for (int64_t k = 0; k < padded; k += run, out += kPanelRows * run * bytes) {
    const int64_t count = std::clamp<int64_t>(cols - k, 0, run);
    std::memcpy(out, row + k * bytes, count * bytes);
    std::memset(out + count * bytes, 0, (run - count) * bytes);
  }
}

template <WeightType kType>
void PackQuantized(const uint8_t* row, int64_t cols, int64_t feature, uint8_t* panel) {
  constexpr PanelLayout kLayout = kLayoutOf<kType>;
  constexpr backend::BlockGeometry kGeometry = backend::GeometryOf(kType);
  for (int64_t k = 0; k < cols; k += kGeometry.values, row += kGeometry.bytes) {
    const BlockPlace place = PlaceOf(kLayout, k / kBlockValues);
    uint8_t* group = panel + place.group_offset;
    if constexpr (kType == WeightType::kQ4_K) {
      PackQ4_K<kType>(row, feature, group);
    } else if constexpr (kType == WeightType::kQ5_K) {
      PackQ5_K<kType>(row, feature, group);
    } else if constexpr (kType == WeightType::kQ6_K) {
      PackQ6_K<kType>(row, feature, group);
    } else if constexpr (kType == WeightType::kQ8_0) {
      PackQ8_0<kType>(row, place.part, feature, group);
    } else {
      PackBlock<kType>(row, place.part, feature, group);
    }
  }
}

// Scales of block `part` of a group.
void UnpackScales(WeightType type, const PanelLayout& layout, const uint8_t* group, int64_t part,
                  int64_t feature, quant::IntegerBlock* out) {
  const float scale = ReadF16(group + feature * 2);
  out->num_groups = 1;
  out->has_offset = layout.offsets_at != 0;
  out->offset = 0;
  if (type == WeightType::kQ6_K) {
    const uint8_t* scales = group + kSuperScalesAt + part * 2 * kPanelRows + feature;
    out->num_groups = 2;
    out->scale[0] = scale * static_cast<float>(static_cast<int8_t>(scales[0]));
    out->scale[1] = scale * static_cast<float>(static_cast<int8_t>(scales[kPanelRows]));
  } else if (type == WeightType::kQ4_K || type == WeightType::kQ5_K) {
    uint8_t packed[12];
    for (int b = 0; b < 12; ++b) packed[b] = group[kSuperScalesAt + b * kPanelRows + feature];
    const quant::KScale k = quant::UnpackKScale(packed, static_cast<int>(part));
    out->scale[0] = out->scale[1] = scale * static_cast<float>(k.scale);
    out->offset =
        -(ReadF16(group + layout.offsets_at + feature * 2) * static_cast<float>(k.minimum));
  } else {
    const int64_t at = part * kScaleBytes + feature * 2;
    out->scale[0] = out->scale[1] = ReadF16(group + at);
    if (out->has_offset) out->offset = ReadF16(group + layout.offsets_at + at);
  }
}

}  // namespace

void PackRow(WeightType type, const uint8_t* row, int64_t cols, int64_t feature, uint8_t* panel) {
  switch (type) {
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return PackFloats(type, row, cols, feature, panel);
    case WeightType::kQ8_0:
      return PackQuantized<WeightType::kQ8_0>(row, cols, feature, panel);
    case WeightType::kQ4_0:
      return PackQuantized<WeightType::kQ4_0>(row, cols, feature, panel);
    case WeightType::kQ4_1:
      return PackQuantized<WeightType::kQ4_1>(row, cols, feature, panel);
    case WeightType::kQ5_0:
      return PackQuantized<WeightType::kQ5_0>(row, cols, feature, panel);
    case WeightType::kQ5_1:
      return PackQuantized<WeightType::kQ5_1>(row, cols, feature, panel);
    case WeightType::kQ4_K:
      return PackQuantized<WeightType::kQ4_K>(row, cols, feature, panel);
    case WeightType::kQ5_K:
      return PackQuantized<WeightType::kQ5_K>(row, cols, feature, panel);
    case WeightType::kQ6_K:
      return PackQuantized<WeightType::kQ6_K>(row, cols, feature, panel);
  }
}

void UnpackBlock(WeightType type, const uint8_t* panel, int64_t feature, int64_t block,
                 quant::IntegerBlock* out) {
  const PanelLayout layout = LayoutOf(type);
  const BlockPlace place = PlaceOf(layout, block);
  const uint8_t* group = panel + place.group_offset;
  UnpackScales(type, layout, group, place.part, feature, out);
  const uint8_t* values =
      group + layout.values_at + place.part * layout.value_bytes + feature * kDword;
  const uint8_t* planes =
      group + layout.planes_at + place.part * layout.plane_bytes + feature * kDword;
  const bool nibbles = layout.value_bytes == 256;
  uint8_t biased[kBlockValues];
  for (int v = 0; v < 8; ++v) {
    uint32_t dword = ReadU32(values + (nibbles ? v % 4 : v) * kVectorBytes);
    if (nibbles) dword = dword >> v / 4 * 4 & Bytes(15);
    if (layout.plane_bytes == kVectorBytes) dword |= (ReadU32(planes) >> v & Bytes(1)) << 4;
    if (layout.plane_bytes == 2 * kVectorBytes) {
      dword |= (ReadU32(planes + v / 4 * kVectorBytes) >> 2 * (v % 4) & Bytes(3)) << 4;
    }
    std::memcpy(biased + v * kDword, &dword, kDword);
  }
  const int bias = WeightBias(type);
  for (int i = 0; i < kBlockValues; ++i) out->q[i] = static_cast<int8_t>(biased[i] - bias);
}

void UnpackFloats(WeightType type, const uint8_t* panel, int64_t feature, int64_t begin,
                  int64_t end, float* out) {
  switch (type) {
    case WeightType::kF32:
      return UnpackRuns<16, 4>(panel, feature, begin, end, [&](const uint8_t* in, int64_t count) {
        std::memcpy(out, in, count * sizeof(float));
        out += count;
      });
    case WeightType::kF16:
      return UnpackRuns<16, 2>(panel, feature, begin, end, [&](const uint8_t* in, int64_t count) {
        for (int64_t i = 0; i < count; ++i) *out++ = ReadF16(in + 2 * i);
      });
    default:
      return UnpackRuns<2, 2>(panel, feature, begin, end, [&](const uint8_t* in, int64_t count) {
        for (int64_t i = 0; i < count; ++i) *out++ = ReadBF16(in + 2 * i);
      });
  }
}

void UnpackRow(WeightType type, const uint8_t* panel, int64_t feature, int64_t cols, float* out) {
  if (!backend::IsQuantized(type)) return UnpackFloats(type, panel, feature, 0, cols, out);
  quant::IntegerBlock block;
  for (int64_t k = 0; k < cols; k += kBlockValues) {
    UnpackBlock(type, panel, feature, k / kBlockValues, &block);
    quant::DequantizeBlock(block, out + k);
  }
}

}  // namespace llmrt::cpu
