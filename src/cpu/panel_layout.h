// How the CPU backend keeps a weight matrix: panels of 16 features (rows of the file), each panel
// contiguous and read once, forward, by whoever multiplies with it. Vectors hold one dword of each
// of the 16 features, which is what VNNI and AMX multiply with as it lies there; AVX2 takes halves.
//
// Quantized types keep exactly the bits of their file, in groups along K: 64 values, or the 256 of
// a K type. Inside a group, for each block of 32 values b:
//
//   header    32-value types: f16 scale [block][16]; then, where the type has offsets, f16 offset
//             [block][16]. Q4_K, Q5_K: f16 scale [16], f16 minimum [16], the file's 12 bytes of
//             6-bit scales [12][16] (quant/k_scales.h). Q6_K: f16 scale [16], 32 bytes of nothing,
//             int8 scales [16 groups of 16 values][16].
//   planes    bits above the fourth. Five-bit types [block][16 features][4]: bit v of byte (r, i)
//             belongs to value 4 v + i of feature r. Q6_K [block][2][16][4]: bits 2 (v % 4) and one
//             up of byte (r, i) in plane v / 4.
//   values    4 bits [block][4][16][4]: byte (v, r, i) holds value 4 v + i of feature r in its low
//             nibble and value 16 + 4 v + i in its high one. Q8_0 [block][8][16][4]: value 4 v + i.
//
// Values are stored unsigned, WeightBias(type) above what they mean, as vpdpbusd wants them.
//
// F32 and F16 lie as [16 of K][16 features][16 values]; BF16 as [32 of K][16 pairs][16][2]. The
// last group of a row is padded with zeros; in quantized types its missing blocks hold anything,
// and nobody reads them. Features that the last panel lacks are zeros.
#pragma once

#include <cstdint>

#include "backend/weight_type.h"

namespace llmrt::cpu {

// Features side by side; work is cut at multiples of it.
inline constexpr int64_t kPanelRows = 16;
// Values of a block, that is of one scale group or two (Q6_K).
inline constexpr int64_t kBlockValues = 32;

// Of one group: values of K, and bytes of all 16 features.
struct PanelLayout {
  int64_t group_values = 0;
  int64_t group_bytes = 0;
  // Where parts begin, and their bytes for each block of 32; 0 where the type has no such part.
  int64_t offsets_at = 0;
  int64_t planes_at = 0;
  int64_t plane_bytes = 0;
  int64_t values_at = 0;
  int64_t value_bytes = 0;
};

constexpr PanelLayout LayoutOf(backend::WeightType type) {
  using backend::WeightType;
  switch (type) {
    case WeightType::kF32:
      return {.group_values = 16, .group_bytes = 1024};
    case WeightType::kF16:
      return {.group_values = 16, .group_bytes = 512};
    case WeightType::kBF16:
      return {.group_values = 32, .group_bytes = 1024};
    case WeightType::kQ8_0:
      return {.group_values = 64, .group_bytes = 1088, .values_at = 64, .value_bytes = 512};
    case WeightType::kQ4_0:
      return {.group_values = 64, .group_bytes = 576, .values_at = 64, .value_bytes = 256};
    case WeightType::kQ4_1:
      return {.group_values = 64,
              .group_bytes = 640,
              .offsets_at = 64,
              .values_at = 128,
              .value_bytes = 256};
    case WeightType::kQ5_0:
      return {.group_values = 64,
              .group_bytes = 704,
              .planes_at = 64,
              .plane_bytes = 64,
              .values_at = 192,
              .value_bytes = 256};
    case WeightType::kQ5_1:
      return {.group_values = 64,
              .group_bytes = 768,
              .offsets_at = 64,
              .planes_at = 128,
              .plane_bytes = 64,
              .values_at = 256,
              .value_bytes = 256};
    case WeightType::kQ4_K:
      return {.group_values = 256,
              .group_bytes = 2304,
              .offsets_at = 32,
              .values_at = 256,
              .value_bytes = 256};
    case WeightType::kQ5_K:
      return {.group_values = 256,
              .group_bytes = 2816,
              .offsets_at = 32,
              .planes_at = 256,
              .plane_bytes = 64,
              .values_at = 768,
              .value_bytes = 256};
    case WeightType::kQ6_K:
      return {.group_values = 256,
              .group_bytes = 3392,
              .planes_at = 320,
              .plane_bytes = 128,
              .values_at = 1344,
              .value_bytes = 256};
  }
  return {};
}

// Where the 6-bit scales of Q4_K and Q5_K, and the int8 scales of Q6_K, begin in a group.
inline constexpr int64_t kSuperScalesAt = 64;

// Bytes of a panel of `cols` values a feature.
constexpr int64_t PanelBytes(backend::WeightType type, int64_t cols) {
  const PanelLayout layout = LayoutOf(type);
  return (cols + layout.group_values - 1) / layout.group_values * layout.group_bytes;
}

// By how much stored values exceed the weights' quantities.
constexpr int WeightBias(backend::WeightType type) {
  using backend::WeightType;
  return type == WeightType::kQ4_0   ? 8
         : type == WeightType::kQ5_0 ? 16
         : type == WeightType::kQ6_K ? 32
         : type == WeightType::kQ8_0 ? 128
                                     : 0;
}

}  // namespace llmrt::cpu
