#include "engine/planner.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/heap_plan.h"
#include "engine/select_backend.h"
#include "memory/counted_heap.h"
#include "model/llama_weights.h"

namespace llmrt::engine {
namespace {

// Rows of logits that a step can always hold: log-probabilities of a prompt take a row each, and a
// larger vocabulary should not make them cost more workspace than the rest of the step.
constexpr int64_t kLogitRowsMin = 16;

// Rows for drafts in a step, all streams together: processors with more rows than that wait for
// arithmetic, not for memory, and so gain nothing by drafts.
constexpr int64_t kDraftRowsMax = 32;

absl::StatusOr<int64_t> ContextLength(const EngineOptions& options,
                                      const model::LlamaConfig& config) {
  if (options.context_length > config.context_length) {
    return absl::OutOfRangeError(absl::StrCat("context_length is ", options.context_length,
                                              "; the model was made for ", config.context_length,
                                              "; choose at most that"));
  }
  return options.context_length > 0 ? options.context_length : config.context_length;
}

// Everything that a plan adds up, by the number of KV blocks. It grows with every block.
class Costs {
 public:
  Costs(const Plan& numbers, const HeapShape& heap, int64_t scratch_bytes, int64_t block_bytes)
      : numbers_(numbers), heap_(heap), scratch_bytes_(scratch_bytes), block_bytes_(block_bytes) {}

  // Tokens that a session may hold: no more than all blocks do.
  int64_t ContextLength(int64_t blocks) const {
    return std::min(numbers_.context_length, blocks * numbers_.block_size);
  }

  // The heap's share of the peak. While the model is opened and while its weights are read, KV and
  // workspace (the kernels' scratch memory aside) are not there yet: only what passes them counts.
  int64_t HeapBytes(int64_t blocks) const {
    const int64_t slabs = 1 + blocks * block_bytes_ / backend::kKvSlabBytesMin;
    const int64_t running = RunningHeapBytes(heap_, blocks, ContextLength(blocks)) +
                            slabs * backend::kKvSlabRecordBytes;
    const int64_t not_yet = blocks * block_bytes_ + numbers_.workspace_bytes - scratch_bytes_;
    const int64_t loading = LoadingHeapBytes(heap_) - not_yet;
    const int64_t opening =
        heap_.model.open_peak_bytes - numbers_.weights_bytes - scratch_bytes_ - not_yet;
    return memory::HeapIsCounted() ? std::max({running, loading, opening}) : 0;
  }

  int64_t TotalBytes(int64_t blocks) const {
    return numbers_.weights_bytes + numbers_.workspace_bytes + blocks * block_bytes_ +
           HeapBytes(blocks);
  }

  // What a device of its own has to hold: all but the heap.
  int64_t DeviceBytes(int64_t blocks) const {
    return numbers_.weights_bytes + numbers_.workspace_bytes + blocks * block_bytes_;
  }

 private:
  const Plan& numbers_;
  const HeapShape& heap_;
  const int64_t scratch_bytes_;
  const int64_t block_bytes_;
};

// Blocks for the planned sessions, or what the budget leaves.
absl::StatusOr<int64_t> KvBlocks(const EngineOptions& options, const Plan& numbers,
                                 const Costs& costs, int64_t block_bytes) {
  const int64_t blocks_a_session =
      (numbers.context_length + options.block_size - 1) / options.block_size;
  // Block numbers are int32, and the product below must not overflow.
  int64_t wanted = std::min<int64_t>(blocks_a_session * options.sessions, INT32_MAX / 2);
  if (options.memory_budget_bytes == 0) return wanted;
  const int64_t budget = std::min<int64_t>(options.memory_budget_bytes, INT64_MAX / 4);
  // Nor must the sums: more blocks than the budget divided by one are never costed.
  wanted = std::clamp<int64_t>(budget / std::max<int64_t>(1, block_bytes), 1, wanted);
  if (costs.TotalBytes(wanted) <= budget) return wanted;
  if (costs.TotalBytes(1) > budget) {
    return absl::ResourceExhaustedError(
        absl::StrCat("memory_budget_bytes is ", budget, "; weights need ", numbers.weights_bytes,
                     ", workspace ", numbers.workspace_bytes, ", heap ", costs.HeapBytes(1),
                     " and one KV block ", block_bytes, " bytes, together ", costs.TotalBytes(1),
                     "; raise it, shorten the context or choose a smaller model"));
  }
  int64_t fits = 1, too_many = wanted;
  while (too_many - fits > 1) {
    const int64_t middle = fits + (too_many - fits) / 2;
    (costs.TotalBytes(middle) <= budget ? fits : too_many) = middle;
  }
  return fits;
}

// A device that tells how much memory it has is not loaded onto in vain.
absl::Status CheckFits(const backend::Backend& backend, const Plan& numbers, int64_t needed) {
  if (backend.FreeBytes() == 0 || needed <= backend.FreeBytes()) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(backend.device(), " has ", backend.FreeBytes(), " bytes free; weights need ",
                   numbers.weights_bytes, ", KV ", numbers.kv_bytes, " (", numbers.kv_blocks,
                   " blocks) and workspace ", numbers.workspace_bytes, " bytes, together ", needed,
                   "; lower context_length, sessions or memory_budget_bytes, or choose a smaller "
                   "model"));
}

// What of the plan the heap's share follows from.
HeapShape ShapeOfHeap(const LoadPlan& plan, const ModelHeap& model, const EngineOptions& options,
                      const formats::ModelFile& file, const backend::Backend& backend) {
  return {.model = model,
          .limits = plan.limits,
          .running_max = plan.running_max,
          .draft_max = DraftMax(options),
          .draft_lookup = options.draft_lookup && DraftMax(options) > 0,
          .num_layers = plan.config.num_layers,
          .vocab_size = plan.config.vocab_size,
          .rope_dims = plan.config.rope.dims,
          .threads = static_cast<int32_t>(backend.num_threads()),
          .sessions = options.sessions,
          .block_size = options.block_size,
          .staging_bytes = model::StagingBytes(file, plan.config, backend.num_threads())};
}

}  // namespace

absl::StatusOr<LoadPlan> MakeLoadPlan(const formats::ModelFile& file, const ModelHeap& heap,
                                      const EngineOptions& options,
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
  plan.running_max = std::min(plan.limits.rows, std::max<int64_t>(kLogitRowsMin, options.sessions));
  const int64_t draft_rows =
      std::min(kDraftRowsMax, int64_t{DraftMax(options)} * int64_t{options.sessions});
  plan.limits.logit_rows =
      std::min(plan.limits.rows, std::max(plan.running_max, options.sessions + draft_rows));
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
  numbers.workspace_bytes =
      backend.ScratchBytes() +
      model::ForwardPass::WorkspaceBytes(plan.config, file, backend, plan.limits, plan.kv_shape);
  numbers.kv_bytes_per_token = plan.kv_shape.TokenBytes();
  const int64_t block_bytes = backend.KvBlockBytes(plan.kv_shape);
  const HeapShape shape = ShapeOfHeap(plan, heap, options, file, backend);
  const Costs costs(numbers, shape, backend.ScratchBytes(), block_bytes);
  absl::StatusOr<int64_t> blocks = KvBlocks(options, numbers, costs, block_bytes);
  if (!blocks.ok()) return blocks.status();
  numbers.kv_blocks = *blocks;
  if (__builtin_mul_overflow(*blocks, block_bytes, &numbers.kv_bytes) ||
      numbers.kv_bytes > INT64_MAX / 4) {
    return absl::OutOfRangeError(absl::StrCat(*blocks, " KV blocks of ", block_bytes,
                                              " bytes are beyond any address space; shorten the "
                                              "context or plan for fewer sessions"));
  }
  absl::Status fits = CheckFits(backend, numbers, costs.DeviceBytes(*blocks));
  if (!fits.ok()) return fits;
  numbers.overhead_bytes = backend.OverheadBytes();
  numbers.heap_bytes = costs.HeapBytes(*blocks);
  numbers.total_bytes = costs.TotalBytes(*blocks);
  numbers.context_length = costs.ContextLength(*blocks);
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
