#include "model/workspace_layout.h"

#include <algorithm>
#include <utility>

#include "memory/large_buffer.h"

namespace llmrt::model {

WorkspaceLayout LayOutWorkspace(const LlamaConfig& config, const FormatSet& formats,
                                const StepLimits& limits) {
  WorkspaceLayout layout;
  const auto place = [&layout](int64_t bytes) {
    const int64_t offset = layout.total;
    layout.total += (bytes + memory::kAlignment - 1) / memory::kAlignment * memory::kAlignment;
    return offset;
  };
  constexpr int64_t kFloat = sizeof(float);
  layout.residual = place(limits.rows * config.dim * kFloat);
  const int64_t shared = layout.total;
  int64_t shared_end = shared;
  // The next group begins where this one began.
  const auto end_group = [&] {
    shared_end = std::max(shared_end, std::exchange(layout.total, shared));
  };
  layout.normed = place(limits.rows * config.dim * kFloat);
  end_group();
  layout.query = place(limits.rows * config.q_dim() * kFloat);
  layout.key = place(limits.rows * config.kv_dim() * kFloat);
  layout.value = place(limits.rows * config.kv_dim() * kFloat);
  layout.attended = place(limits.rows * config.q_dim() * kFloat);
  end_group();
  layout.gate = place(limits.rows * config.ffn_dim * kFloat);
  layout.up = place(limits.rows * config.ffn_dim * kFloat);
  end_group();
  layout.total = shared_end;
  layout.logits = place(limits.logit_rows * config.vocab_size * kFloat);
  layout.rope = place(limits.context_length * config.rope.dims * kFloat);
  const int64_t widest = std::max({int64_t{config.dim}, config.q_dim(), int64_t{config.ffn_dim}});
  for (int i = 0; i < kActivationFormatCount; ++i) {
    const auto format = static_cast<backend::ActivationFormat>(i);
    layout.prepared[i] =
        formats.used[i] ? place(limits.rows * backend::ActivationRowBytes(format, widest)) : -1;
  }
  return layout;
}

}  // namespace llmrt::model
