// The 12 bytes that hold eight 6-bit scales and eight 6-bit minimums of a Q4_K or Q5_K block:
//
//   byte j     (0..3)  bits 0-5: scale j         bits 6-7: top two bits of scale j + 4
//   byte j + 4         bits 0-5: minimum j       bits 6-7: top two bits of minimum j + 4
//   byte j + 8         bits 0-3: low four bits of scale j + 4, bits 4-7: of minimum j + 4
#pragma once

#include <cstdint>

namespace llmrt::quant {

struct KScale {
  uint8_t scale;    // 0..63
  uint8_t minimum;  // 0..63
};

inline KScale UnpackKScale(const uint8_t* packed, int index) {
  if (index < 4) {
    return {static_cast<uint8_t>(packed[index] & 63), static_cast<uint8_t>(packed[index + 4] & 63)};
  }
  const int j = index - 4;
  return {static_cast<uint8_t>((packed[j + 8] & 15) | (packed[j] >> 6) << 4),
          static_cast<uint8_t>((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4)};
}

inline void PackKScales(const KScale (&scales)[8], uint8_t* packed) {
  for (int j = 0; j < 4; ++j) {
    const KScale low = scales[j];
    const KScale high = scales[j + 4];
    packed[j] = static_cast<uint8_t>(low.scale | (high.scale >> 4) << 6);
    packed[j + 4] = static_cast<uint8_t>(low.minimum | (high.minimum >> 4) << 6);
    packed[j + 8] = static_cast<uint8_t>((high.scale & 15) | (high.minimum & 15) << 4);
  }
}

}  // namespace llmrt::quant
