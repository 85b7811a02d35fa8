// Decoders of the block types, one function each. Layouts are those of the GGUF block types;
// multi-byte numbers are little endian. In every 4-bit type nibble order is "first half low, second
// half high": byte j of a run holds value j in its low and value j + 16 (or + 32) in its high
// nibble.
#include "quant/integer_block.h"

#include <cstring>

#include "numerics/float_types.h"
#include "quant/k_scales.h"

namespace llmrt::quant {
namespace {

using backend::WeightType;

constexpr int kHalf = kIntegerBlockValues / 2;

float ReadF16(const uint8_t* bytes) {
  return numerics::F16ToF32(static_cast<uint16_t>(bytes[0] | bytes[1] << 8));
}

uint32_t ReadU32(const uint8_t* bytes) {
  return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

void SetScale(float scale, IntegerBlock* out) {
  out->num_groups = 1;
  out->scale[0] = scale;
  out->scale[1] = scale;
  out->has_offset = false;
  out->offset = 0;
}

void SetOffset(float offset, IntegerBlock* out) {
  out->has_offset = true;
  out->offset = offset;
}

// [scale f16][32 int8]
void DecodeQ8_0(const uint8_t* block, IntegerBlock* out) {
  SetScale(ReadF16(block), out);
  std::memcpy(out->q, block + 2, kIntegerBlockValues);
}

// 16 bytes of nibbles, `bias` subtracted.
void DecodeNibbles(const uint8_t* nibbles, int bias, IntegerBlock* out) {
  for (int j = 0; j < kHalf; ++j) {
    out->q[j] = static_cast<int8_t>((nibbles[j] & 15) - bias);
    out->q[j + kHalf] = static_cast<int8_t>((nibbles[j] >> 4) - bias);
  }
}

// As above with a fifth bit each: bit i of `high` belongs to value i.
void DecodeFiveBits(const uint8_t* nibbles, uint32_t high, int bias, IntegerBlock* out) {
  for (int j = 0; j < kHalf; ++j) {
    const int low_value = (nibbles[j] & 15) | static_cast<int>(high >> j & 1) << 4;
    const int high_value = (nibbles[j] >> 4) | static_cast<int>(high >> (j + kHalf) & 1) << 4;
    out->q[j] = static_cast<int8_t>(low_value - bias);
    out->q[j + kHalf] = static_cast<int8_t>(high_value - bias);
  }
}

// [scale f16][16 bytes of nibbles]
void DecodeQ4_0(const uint8_t* block, IntegerBlock* out) {
  SetScale(ReadF16(block), out);
  DecodeNibbles(block + 2, 8, out);
}

// [scale f16][minimum f16][16 bytes of nibbles]
void DecodeQ4_1(const uint8_t* block, IntegerBlock* out) {
  SetScale(ReadF16(block), out);
  SetOffset(ReadF16(block + 2), out);
  DecodeNibbles(block + 4, 0, out);
}

// [scale f16][high bits u32][16 bytes of nibbles]
void DecodeQ5_0(const uint8_t* block, IntegerBlock* out) {
  SetScale(ReadF16(block), out);
  DecodeFiveBits(block + 6, ReadU32(block + 2), 16, out);
}

// [scale f16][minimum f16][high bits u32][16 bytes of nibbles]
void DecodeQ5_1(const uint8_t* block, IntegerBlock* out) {
  SetScale(ReadF16(block), out);
  SetOffset(ReadF16(block + 2), out);
  DecodeFiveBits(block + 8, ReadU32(block + 4), 0, out);
}

// The header that Q4_K and Q5_K share: [scale f16][minimum f16][12 bytes of 6-bit scales].
void DecodeKHeader(const uint8_t* super, int part, IntegerBlock* out) {
  const KScale k = UnpackKScale(super + 4, part);
  SetScale(ReadF16(super) * static_cast<float>(k.scale), out);
  SetOffset(-(ReadF16(super + 2) * static_cast<float>(k.minimum)), out);
}

// [header 16][128 bytes of nibbles]: parts 2i and 2i + 1 share 32 bytes, low and high nibbles.
void DecodeQ4_K(const uint8_t* super, int part, IntegerBlock* out) {
  DecodeKHeader(super, part, out);
  const uint8_t* nibbles = super + 16 + part / 2 * 32;
  const int shift = part % 2 * 4;
  for (int i = 0; i < kIntegerBlockValues; ++i) {
    out->q[i] = static_cast<int8_t>(nibbles[i] >> shift & 15);
  }
}

// [header 16][32 bytes of high bits][128 bytes of nibbles]: bit `part` of high byte i is value i's.
void DecodeQ5_K(const uint8_t* super, int part, IntegerBlock* out) {
  DecodeKHeader(super, part, out);
  const uint8_t* high = super + 16;
  const uint8_t* nibbles = super + 48 + part / 2 * 32;
  const int shift = part % 2 * 4;
  for (int i = 0; i < kIntegerBlockValues; ++i) {
    out->q[i] = static_cast<int8_t>((nibbles[i] >> shift & 15) | (high[i] >> part & 1) << 4);
  }
}

// [128 bytes of nibbles][64 bytes of high pairs][16 int8 scales][scale f16]. The block is two
// halves of 128 values, each of four parts of 32: parts 0 and 2 share the first 32 bytes of
// nibbles, parts 1 and 3 the next; bits 2 * part of high byte i are value i's top two.
void DecodeQ6_K(const uint8_t* super, int part, IntegerBlock* out) {
  const int half = part / 4;
  const int quarter = part % 4;
  const uint8_t* nibbles = super + half * 64 + quarter % 2 * 32;
  const uint8_t* high = super + 128 + half * 32;
  const int shift = quarter / 2 * 4;
  for (int i = 0; i < kIntegerBlockValues; ++i) {
    const int value = (nibbles[i] >> shift & 15) | (high[i] >> (2 * quarter) & 3) << 4;
    out->q[i] = static_cast<int8_t>(value - 32);
  }
  const float scale = ReadF16(super + 208);
  const uint8_t* scales = super + 192 + part * 2;
  SetScale(0, out);
  out->num_groups = 2;
  out->scale[0] = scale * static_cast<float>(static_cast<int8_t>(scales[0]));
  out->scale[1] = scale * static_cast<float>(static_cast<int8_t>(scales[1]));
}

}  // namespace

void DecodeIntegerBlock(WeightType type, const uint8_t* row, int64_t block, IntegerBlock* out) {
  const backend::BlockGeometry geometry = backend::GeometryOf(type);
  const int64_t parts = geometry.values / kIntegerBlockValues;  // 1, 8, or 0 where not quantized
  const uint8_t* start = parts == 0 ? row : row + block / parts * geometry.bytes;
  const int part = parts == 0 ? 0 : static_cast<int>(block % parts);
  switch (type) {
    case WeightType::kQ8_0:
      return DecodeQ8_0(start, out);
    case WeightType::kQ4_0:
      return DecodeQ4_0(start, out);
    case WeightType::kQ4_1:
      return DecodeQ4_1(start, out);
    case WeightType::kQ5_0:
      return DecodeQ5_0(start, out);
    case WeightType::kQ5_1:
      return DecodeQ5_1(start, out);
    case WeightType::kQ4_K:
      return DecodeQ4_K(start, part, out);
    case WeightType::kQ5_K:
      return DecodeQ5_K(start, part, out);
    case WeightType::kQ6_K:
      return DecodeQ6_K(start, part, out);
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      break;
  }
  *out = IntegerBlock();
}

}  // namespace llmrt::quant
