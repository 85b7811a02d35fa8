// Where the buffers of a step lie inside the one allocation that holds them. The planner asks for
// the total and the forward pass for the offsets, so that the plan cannot differ from what is
// allocated.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "model/llama_config.h"

namespace llmrt::model {

// What bounds the buffers of a step.
struct StepLimits {
  int64_t rows = 0;            // tokens in one step
  int64_t logit_rows = 0;      // of these, rows that logits are computed for
  int64_t context_length = 0;  // positions in the rope table
};

inline constexpr int kActivationFormatCount = backend::kActivationFormatCount;

// Which activation formats the model's weights read, by ActivationFormat.
struct FormatSet {
  bool used[kActivationFormatCount] = {};
  void Add(backend::ActivationFormat format) { used[static_cast<int>(format)] = true; }
};

// Offsets in bytes, each on a cache line. Three groups share their bytes: what a norm writes, what
// attention does, and what is between the two products of a feed-forward network; an op reads and
// writes one of them, and no op reads what another group's op has left.
struct WorkspaceLayout {
  int64_t residual = 0;
  // First group.
  int64_t normed = 0;
  // Second group.
  int64_t query = 0;
  int64_t key = 0;
  int64_t value = 0;
  int64_t attended = 0;
  // Third group.
  int64_t gate = 0;
  int64_t up = 0;

  int64_t logits = 0;
  int64_t rope = 0;
  int64_t prepared[kActivationFormatCount] = {};  // -1: not used
  int64_t total = 0;
};

WorkspaceLayout LayOutWorkspace(const LlamaConfig& config, const FormatSet& formats,
                                const StepLimits& limits);

}  // namespace llmrt::model
