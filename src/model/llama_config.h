// The dimensions of a llama-architecture model, read from a file's metadata and held against its
// tensors. Nothing here trusts the file: every number is bounded before it is used to size
// anything.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "formats/model_file.h"
#include "numerics/rope_table.h"

namespace llmrt::model {

// Tokens that a model may have. The sampler adds up one 40-bit weight a token in 64 bits.
inline constexpr int64_t kVocabSizeMax = int64_t{1} << 23;

struct LlamaConfig {
  int32_t num_layers = 0;
  int32_t dim = 0;
  int32_t ffn_dim = 0;
  int32_t num_q_heads = 0;
  int32_t num_kv_heads = 0;
  int32_t head_dim = 0;
  int32_t vocab_size = 0;
  int64_t context_length = 0;  // that the model was trained for
  float norm_epsilon = 0;
  numerics::RopeParams rope;  // the divisors of rope_freqs.weight are added by who reads them
  bool tied_embeddings = false;

  int64_t q_dim() const { return int64_t{num_q_heads} * head_dim; }
  int64_t kv_dim() const { return int64_t{num_kv_heads} * head_dim; }
};

// UNIMPLEMENTED: another architecture, or a feature of this one that is not built. DATA_LOSS:
// numbers that are absent, out of bounds or contradict each other or the tensors.
absl::StatusOr<LlamaConfig> ReadLlamaConfig(const formats::ModelFile& file);

// Whether the rope parameters, divisors included, can be computed for `context_length` positions:
// DATA_LOSS where an angle would leave the range that sine and cosine are made for.
absl::Status CheckRope(const LlamaConfig& config, int64_t context_length);

// "blk.3.attn_q.weight"
std::string LayerTensorName(int32_t layer, const char* part);

}  // namespace llmrt::model
