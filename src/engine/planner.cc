#include "engine/planner.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/select_backend.h"
#include "model/llama_weights.h"

namespace llmrt::engine {
namespace {

// Rows of logits that a step can always hold: log-probabilities of a prompt take a row each, and a
// larger vocabulary should not make them cost more workspace than the rest of the step.
constexpr int64_t kLogitRowsMin = 16;

absl::StatusOr<int64_t> ContextLength(const EngineOptions& options,
                                      const model::LlamaConfig& config) {
  if (options.context_length > config.context_length) {
    return absl::OutOfRangeError(absl::StrCat("context_length is ", options.context_length,
                                              "; the model was made for ", config.context_length,
                                              "; choose at most that"));
  }
  return options.context_length > 0 ? options.context_length : config.context_length;
}

// Blocks for the planned sessions, or what the budget leaves.
absl::StatusOr<int64_t> KvBlocks(const EngineOptions& options, const Plan& numbers,
                                 int64_t block_bytes) {
  const int64_t blocks_a_session =
      (numbers.context_length + options.block_size - 1) / options.block_size;
  // Block numbers are int32, and the product below must not overflow.
  const int64_t wanted = std::min<int64_t>(blocks_a_session * options.sessions, INT32_MAX / 2);
  if (options.memory_budget_bytes == 0) return wanted;
  const int64_t left =
      options.memory_budget_bytes - numbers.weights_bytes - numbers.workspace_bytes;
  if (left < block_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "memory_budget_bytes is ", options.memory_budget_bytes, "; weights need ",
        numbers.weights_bytes, ", workspace ", numbers.workspace_bytes, " and one KV block ",
        block_bytes, " bytes; raise it, shorten the context or choose a smaller model"));
  }
  return std::min(wanted, left / block_bytes);
}

}  // namespace

absl::StatusOr<LoadPlan> MakeLoadPlan(const formats::ModelFile& file, const EngineOptions& options,
                                      const backend::Backend& backend) {
  LoadPlan plan;
  absl::StatusOr<model::LlamaConfig> config = model::ReadLlamaConfig(file);
  if (!config.ok()) return config.status();
  plan.config = *std::move(config);
  if (plan.config.head_dim > backend.max_head_dim()) {
    return absl::UnimplementedError(
        absl::StrCat("heads of the model are ", plan.config.head_dim, " wide; ", backend.device(),
                     " runs up to ", backend.max_head_dim(), "; choose another device or model"));
  }
  absl::StatusOr<int64_t> context = ContextLength(options, plan.config);
  if (!context.ok()) return context.status();
  absl::StatusOr<int64_t> weights = model::CheckTensors(file, plan.config, backend);
  if (!weights.ok()) return weights.status();
  absl::StatusOr<std::vector<float>> divisors = model::ReadRopeDivisors(file);
  if (!divisors.ok()) return divisors.status();
  plan.config.rope.freq_divisors = *std::move(divisors);
  absl::Status rope = model::CheckRope(plan.config, *context);
  if (!rope.ok()) return rope;

  plan.limits.rows = std::min<int64_t>(options.step_tokens, *context);
  plan.limits.rows = std::max<int64_t>(plan.limits.rows, options.sessions);
  plan.limits.logit_rows =
      std::min(plan.limits.rows, std::max<int64_t>(kLogitRowsMin, options.sessions));
  plan.limits.context_length = *context;
  plan.kv_shape = {.num_layers = plan.config.num_layers,
                   .num_kv_heads = plan.config.num_kv_heads,
                   .head_dim = plan.config.head_dim,
                   .block_size = options.block_size,
                   .type = EffectiveKvType(options)};
  Plan& numbers = plan.numbers;
  numbers.block_size = options.block_size;
  numbers.context_length = *context;
  numbers.weights_bytes = *weights;
  numbers.workspace_bytes = backend.ScratchBytes() + model::ForwardPass::WorkspaceBytes(
                                                         plan.config, file, backend, plan.limits);
  numbers.kv_bytes_per_token = plan.kv_shape.TokenBytes();
  const int64_t block_bytes = backend.KvBlockBytes(plan.kv_shape);
  absl::StatusOr<int64_t> blocks = KvBlocks(options, numbers, block_bytes);
  if (!blocks.ok()) return blocks.status();
  numbers.kv_blocks = *blocks;
  if (__builtin_mul_overflow(*blocks, block_bytes, &numbers.kv_bytes) ||
      numbers.kv_bytes > INT64_MAX / 2) {
    return absl::OutOfRangeError(absl::StrCat(*blocks, " KV blocks of ", block_bytes,
                                              " bytes are beyond any address space; shorten the "
                                              "context or plan for fewer sessions"));
  }
  // No session can hold more than all blocks.
  numbers.context_length = std::min(*context, *blocks * options.block_size);
  numbers.total_bytes = numbers.weights_bytes + numbers.kv_bytes + numbers.workspace_bytes;
  return plan;
}

double DecodeCeiling(const LoadPlan& plan, const formats::ModelFile& file,
                     const backend::Backend& backend, double bandwidth) {
  int64_t bytes = plan.numbers.weights_bytes;
  const formats::TensorInfo* embedding = file.FindTensor("token_embd.weight");
  if (!plan.config.tied_embeddings && embedding != nullptr) {
    bytes -= backend.MatrixBytes(embedding->type, embedding->rows(), embedding->cols());
  }
  return bytes > 0 ? bandwidth / static_cast<double>(bytes) : 0;
}

}  // namespace llmrt::engine
