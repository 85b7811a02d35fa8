#include "formats/gguf_types.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace llmrt::formats {
namespace {

using backend::WeightType;

// In the order of WeightType.
constexpr uint32_t kFileTypes[backend::kWeightTypeCount] = {
    0,   // F32
    1,   // F16
    30,  // BF16
    8,   // Q8_0
    2,   // Q4_0
    3,   // Q4_1
    6,   // Q5_0
    7,   // Q5_1
    12,  // Q4_K
    13,  // Q5_K
    14,  // Q6_K
};

// By number; empty where a number was never given or was withdrawn.
constexpr std::string_view kNames[] = {
    "F32",     "F16",    "Q4_0",    "Q4_1",  "",       "",      "Q5_0",  "Q5_1",
    "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
    "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
    "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16",  "",
    "",        "",       "TQ1_0",   "TQ2_0", "",       "",      "",      "MXFP4"};

}  // namespace

int64_t GgufMinimumBytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
    case GgufValueType::kString:
      return 8;
    case GgufValueType::kArray:
      return 12;
  }
  return 1;
}

std::optional<WeightType> WeightTypeOfGguf(uint32_t type) {
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    if (kFileTypes[i] == type) return static_cast<WeightType>(i);
  }
  return std::nullopt;
}

uint32_t GgufTypeOf(WeightType type) { return kFileTypes[static_cast<int>(type)]; }

std::string GgufTensorTypeName(uint32_t type) {
  if (type >= std::size(kNames) || kNames[type].empty()) return absl::StrCat("type ", type);
  return std::string(kNames[type]);
}

}  // namespace llmrt::formats
