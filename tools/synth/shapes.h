// The shapes of published models: how wide, how deep, which vocabulary. A file in such a shape
// costs what the real one costs, in bytes and in operations, whatever its weights say.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/types/span.h"

namespace llmrt::synth {

struct ModelShape {
  std::string_view name;
  int32_t layers;
  int32_t width;
  int32_t ffn_width;
  int32_t q_heads;
  int32_t kv_heads;
  int32_t vocab_size;
  int64_t context_length;
  double rope_base;
  double norm_epsilon;
  bool tied;  // the embedding is the output matrix, too

  int32_t head_dim() const { return width / q_heads; }
  int32_t kv_width() const { return kv_heads * head_dim(); }
};

absl::Span<const ModelShape> Shapes();

// nullptr: no shape has this name.
const ModelShape* FindShape(std::string_view name);

}  // namespace llmrt::synth
