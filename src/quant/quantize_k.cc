// The K types: 256 values in parts of 32 (Q6_K: 16), each with its own small integer scale under
// one f16 scale of the block. Plain minimum-and-maximum scales, no search: valid files, not the
// best ones.
#include <cstring>

#include "quant/k_scales.h"
#include "quant/quantize_block.h"

namespace llmrt::quant {
namespace {

constexpr int kSuperValues = 256;
constexpr int kParts = 8;
constexpr int kPartValues = 32;
constexpr int kScaleMax = 63;  // 6 bits

// Codes of a Q4_K or Q5_K block, header written: w ~ d * scale * q - dmin * minimum with q in
// 0..levels - 1 and minimum >= 0, so a part whose values are all positive starts at zero.
void OffsetKCodes(const float* x, int levels, uint8_t* header, uint8_t (&q)[kSuperValues]) {
  float scales[kParts];
  float minimums[kParts];
  for (int part = 0; part < kParts; ++part) {
    const float* values = x + part * kPartValues;
    const float low = std::min(0.0f, *std::min_element(values, values + kPartValues));
    const float high = std::max(0.0f, *std::max_element(values, values + kPartValues));
    scales[part] = (high - low) / static_cast<float>(levels - 1);
    minimums[part] = -low;
  }
  const float d = StoreF16(*std::max_element(scales, scales + kParts) / kScaleMax, header);
  const float dmin =
      StoreF16(*std::max_element(minimums, minimums + kParts) / kScaleMax, header + 2);
  KScale codes[kParts];
  for (int part = 0; part < kParts; ++part) {
    codes[part].scale = static_cast<uint8_t>(RoundClamped(scales[part] * Inverse(d), 0, kScaleMax));
    codes[part].minimum =
        static_cast<uint8_t>(RoundClamped(minimums[part] * Inverse(dmin), 0, kScaleMax));
    const float inverse = Inverse(d * codes[part].scale);
    const float minimum = dmin * codes[part].minimum;
    for (int i = part * kPartValues; i < (part + 1) * kPartValues; ++i) {
      q[i] = static_cast<uint8_t>(RoundClamped((x[i] + minimum) * inverse, 0, levels - 1));
    }
  }
  PackKScales(codes, header + 4);
}

// Parts 2i and 2i + 1 share 32 bytes: low and high nibbles.
void PackKNibbles(const uint8_t (&q)[kSuperValues], uint8_t* out) {
  for (int i = 0; i < kSuperValues / 2; ++i) {
    const int low = i / kPartValues * 2 * kPartValues + i % kPartValues;
    out[i] = static_cast<uint8_t>((q[low] & 15) | (q[low + kPartValues] & 15) << 4);
  }
}

// Codes of a Q6_K block, 0..63 for -32..31, scales written: 16 int8 and the f16 that they share. A
// part's scale carries the sign of its extreme value, which so gets code 0 (that is, -32) exactly.
void SymmetricKCodes(const float* x, uint8_t* scale_bytes, uint8_t (&q)[kSuperValues]) {
  constexpr int kSixteen = 16;
  float scales[kSixteen];
  float largest = 0;
  for (int part = 0; part < kSixteen; ++part) {
    float extreme = 0;
    for (int i = part * kSixteen; i < (part + 1) * kSixteen; ++i) {
      if (std::max(x[i], -x[i]) > std::max(extreme, -extreme)) extreme = x[i];
    }
    scales[part] = extreme / -32.0f;
    if (std::max(scales[part], -scales[part]) > std::max(largest, -largest)) largest = scales[part];
  }
  const float d = StoreF16(largest / -128.0f, scale_bytes + kSixteen);
  for (int part = 0; part < kSixteen; ++part) {
    const int code = RoundClamped(scales[part] * Inverse(d), -128, 127);
    scale_bytes[part] = static_cast<uint8_t>(code);
    const float inverse = Inverse(d * static_cast<float>(code));
    for (int i = part * kSixteen; i < (part + 1) * kSixteen; ++i) {
      q[i] = static_cast<uint8_t>(RoundClamped(x[i] * inverse, -32, 31) + 32);
    }
  }
}

}  // namespace

void QuantizeQ4_K(const float* x, uint8_t* block) {
  uint8_t q[kSuperValues];
  OffsetKCodes(x, 16, block, q);
  PackKNibbles(q, block + 16);
}

void QuantizeQ5_K(const float* x, uint8_t* block) {
  uint8_t q[kSuperValues];
  OffsetKCodes(x, 32, block, q);
  uint8_t* high = block + 16;
  std::memset(high, 0, kPartValues);
  for (int i = 0; i < kSuperValues; ++i) {
    uint8_t& byte = high[i % kPartValues];
    byte = static_cast<uint8_t>(byte | (q[i] >> 4) << (i / kPartValues));
  }
  PackKNibbles(q, block + 48);
}

void QuantizeQ6_K(const float* x, uint8_t* block) {
  uint8_t q[kSuperValues];
  SymmetricKCodes(x, block + 192, q);
  std::memset(block, 0, 192);
  for (int i = 0; i < kSuperValues; ++i) {
    // The inverse of DecodeQ6_K's walk: half, quarter and place in it.
    const int half = i / 128;
    const int quarter = i % 128 / kPartValues;
    const int place = i % kPartValues;
    uint8_t& low = block[half * 64 + quarter % 2 * 32 + place];
    uint8_t& high = block[128 + half * 32 + place];
    low = static_cast<uint8_t>(low | (q[i] & 15) << (quarter / 2 * 4));
    high = static_cast<uint8_t>(high | (q[i] >> 4) << (2 * quarter));
  }
}

}  // namespace llmrt::quant
