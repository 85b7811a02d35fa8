// One value of the KV cache, converted from and to float32 by integer arithmetic: what the vector
// conversions of every tier must equal.
#pragma once

#include <cstdint>
#include <cstring>

#include "backend/kv_shape.h"
#include "numerics/float_types.h"

namespace llmrt::ops {

inline float LoadKv(backend::KvType type, const uint8_t* tile, int64_t index) {
  if (type == backend::KvType::kF32) {
    float value;
    std::memcpy(&value, tile + index * sizeof(value), sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, tile + index * sizeof(bits), sizeof(bits));
  return type == backend::KvType::kF16 ? numerics::F16ToF32(bits) : numerics::BF16ToF32(bits);
}

// Rounds to nearest even.
inline void StoreKv(backend::KvType type, float value, uint8_t* tile, int64_t index) {
  if (type == backend::KvType::kF32) {
    std::memcpy(tile + index * sizeof(value), &value, sizeof(value));
    return;
  }
  const uint16_t bits =
      type == backend::KvType::kF16 ? numerics::F32ToF16(value) : numerics::F32ToBF16(value);
  std::memcpy(tile + index * sizeof(bits), &bits, sizeof(bits));
}

}  // namespace llmrt::ops
