// Small llama models with random weights, made in memory: for tests that need a model of a certain
// shape and type and do not care what it says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/weight_type.h"
#include "formats/model_file.h"

namespace llmrt::testing {

struct RandomModelSpec {
  int32_t layers = 2;
  int32_t dim = 64;
  int32_t ffn_dim = 96;
  int32_t q_heads = 4;
  int32_t kv_heads = 2;
  int32_t vocab_size = 300;  // 256 bytes, 3 control tokens, the rest letters
  int32_t context_length = 640;
  backend::WeightType type = backend::WeightType::kF32;
  bool tied = true;
  uint32_t seed = 1;
  std::string left_out;  // a tensor that is not written
  std::string extra;     // a tensor too many
  // Types of single matrices, by name, where they differ from `type`.
  std::map<std::string, backend::WeightType> types;
  std::vector<float> rope_divisors;  // rope_freqs.weight; empty: the file has none
};

// The file's bytes.
std::vector<uint8_t> MakeRandomModel(const RandomModelSpec& spec);

// The same, opened; the bytes live as long as the file.
std::unique_ptr<formats::ModelFile> OpenRandomModel(const RandomModelSpec& spec);

}  // namespace llmrt::testing
