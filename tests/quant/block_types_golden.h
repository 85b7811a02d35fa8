// Raw blocks of each type and the float32 values that an independent implementation gives them,
// from the shared golden file.
#pragma once

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "backend/weight_type.h"
#include "nlohmann/json.hpp"
#include "tests/shared_files.h"

namespace llmrt::quant {

struct GoldenBlocks {
  backend::WeightType type;
  std::vector<uint8_t> raw;
  std::vector<float> values;
};

inline std::optional<backend::WeightType> TypeByName(const std::string& name) {
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = static_cast<backend::WeightType>(i);
    if (backend::GeometryOf(type).name == name) return type;
  }
  return std::nullopt;
}

inline std::string GoldenPath() { return testing::SharedFile("models/golden/block-types.json"); }

// Those of our types; empty when the file is missing.
inline std::vector<GoldenBlocks> LoadGoldenBlocks() {
  std::vector<GoldenBlocks> result;
  std::ifstream file(GoldenPath());
  if (!file) return result;
  for (const auto& entry : nlohmann::json::parse(file)) {
    const std::optional<backend::WeightType> type = TypeByName(entry.at("type"));
    if (!type.has_value()) continue;
    std::string raw;
    if (!absl::Base64Unescape(entry.at("raw_base64").get<std::string>(), &raw)) continue;
    result.push_back(
        {*type, {raw.begin(), raw.end()}, entry.at("values").get<std::vector<float>>()});
  }
  return result;
}

}  // namespace llmrt::quant
