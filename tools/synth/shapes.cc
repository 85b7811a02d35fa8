#include "synth/shapes.h"

namespace llmrt::synth {
namespace {

// All are written as the llama architecture. What the real models have beyond it is left out: the
// biases of qwen2.5 (0.01 % of its bytes) and the rope divisors of llama 3 (64 numbers).
constexpr ModelShape kShapes[] = {
    {.name = "tiny",
     .layers = 4,
     .width = 256,
     .ffn_width = 768,
     .q_heads = 4,
     .kv_heads = 2,
     .vocab_size = 1024,
     .context_length = 2048,
     .rope_base = 10000,
     .norm_epsilon = 1e-5,
     .tied = false},
    {.name = "smollm2-135m",
     .layers = 30,
     .width = 576,
     .ffn_width = 1536,
     .q_heads = 9,
     .kv_heads = 3,
     .vocab_size = 49152,
     .context_length = 8192,
     .rope_base = 100000,
     .norm_epsilon = 1e-5,
     .tied = true},
    {.name = "qwen2.5-0.5b",
     .layers = 24,
     .width = 896,
     .ffn_width = 4864,
     .q_heads = 14,
     .kv_heads = 2,
     .vocab_size = 151936,
     .context_length = 32768,
     .rope_base = 1000000,
     .norm_epsilon = 1e-6,
     .tied = true},
    {.name = "llama-3.2-1b",
     .layers = 16,
     .width = 2048,
     .ffn_width = 8192,
     .q_heads = 32,
     .kv_heads = 8,
     .vocab_size = 128256,
     .context_length = 131072,
     .rope_base = 500000,
     .norm_epsilon = 1e-5,
     .tied = true},
    {.name = "llama-3.1-8b",
     .layers = 32,
     .width = 4096,
     .ffn_width = 14336,
     .q_heads = 32,
     .kv_heads = 8,
     .vocab_size = 128256,
     .context_length = 131072,
     .rope_base = 500000,
     .norm_epsilon = 1e-5,
     .tied = false},
};

}  // namespace

absl::Span<const ModelShape> Shapes() { return kShapes; }

const ModelShape* FindShape(std::string_view name) {
  for (const ModelShape& shape : kShapes) {
    if (shape.name == name) return &shape;
  }
  return nullptr;
}

}  // namespace llmrt::synth
