// The numbers of the GGUF format and what they stand for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backend/weight_type.h"

namespace llmrt::formats {

inline constexpr uint32_t kGgufMagic = 0x46554747;         // "GGUF", read little endian
inline constexpr uint32_t kGgufMagicSwapped = 0x47475546;  // what a big-endian reader sees in it
inline constexpr int64_t kGgufDefaultAlignment = 32;

enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr uint32_t kGgufValueTypeCount = 13;

// The least a value of this type takes in a file: a string its length, an array its type and
// length.
int64_t GgufMinimumBytes(GgufValueType type);

// Tensor types; nullopt for those that the library cannot compute with.
std::optional<backend::WeightType> WeightTypeOfGguf(uint32_t type);
uint32_t GgufTypeOf(backend::WeightType type);
// The field's name for it ("IQ4_XS"), or its number ("type 200"): at most 15 bytes.
std::string GgufTensorTypeName(uint32_t type);

}  // namespace llmrt::formats
