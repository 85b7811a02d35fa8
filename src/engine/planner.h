// What an engine will take, worked out from headers before a byte is committed. The load allocates
// from the same numbers, so plan and memory agree to the byte.
#pragma once

#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "engine/model.h"
#include "engine/options.h"
#include "formats/model_file.h"
#include "model/forward_pass.h"
#include "model/llama_config.h"

namespace llmrt::engine {

struct LoadPlan {
  Plan numbers;
  model::LlamaConfig config;
  model::StepLimits limits;
  int64_t running_max = 0;  // streams in a step; the other logit rows are for drafts
  backend::KvShape kv_shape;
};

// Checks the model against the backend and the options against both. OUT_OF_RANGE: a context longer
// than the model's. RESOURCE_EXHAUSTED: the budget does not hold the weights, the workspace and one
// block.
absl::StatusOr<LoadPlan> MakeLoadPlan(const formats::ModelFile& file, const ModelHeap& heap,
                                      const EngineOptions& options,
                                      const backend::Backend& backend);

// Tokens per second that `bandwidth` allows at batch 1 and short contexts: every weight is read
// once a token, of an embedding that is not also the output only a row.
double DecodeCeiling(const LoadPlan& plan, const formats::ModelFile& file,
                     const backend::Backend& backend, double bandwidth);

}  // namespace llmrt::engine
