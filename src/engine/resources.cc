#include "engine/resources.h"

#include <new>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/build_name.h"
#include "engine/host_fp_mode.h"
#include "engine/measure_step_cost.h"
#include "engine/select_backend.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {
namespace {

// The model's bound and the sampler's are one: what loads can be sampled from.
static_assert(model::kVocabSizeMax == sampling::kMaxVocabSize);

std::string_view NumericModeName(backend::NumericMode mode) {
  switch (mode) {
    case backend::NumericMode::kExact:
      return "exact";
    case backend::NumericMode::kFast:
      return "fast";
    case backend::NumericMode::kReference:
      return "reference";
  }
  return "";
}

// The classes of all products, each once, by name: a file may mix weight types.
std::string ClassNames(const Resources& resources) {
  std::set<std::string_view> names;
  const auto add = [&](const backend::Matrix& matrix) {
    names.insert(resources.backend->ClassFor(matrix.type()).name);
  };
  add(resources.weights.head());
  for (const model::LlamaLayer& layer : resources.weights.layers) {
    for (const auto* matrix : {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate,
                               &layer.up, &layer.down}) {
      add(**matrix);
    }
  }
  return absl::StrJoin(names, "+");
}

// Names everything that the bits of a token depend on besides the tokens before it, the sampling
// options and the seed. Thread count, batch and load are left out on purpose: they change nothing.
std::string Fingerprint(const Resources& resources, const EngineOptions& options) {
  const model::LlamaWeights& weights = resources.weights;
  return absl::StrCat("build=", BuildName(), ";device=", resources.backend->DeviceClass(),
                      ";numerics=", NumericModeName(options.numerics),
                      ";class=", ClassNames(resources),
                      ";model=", resources.model->file().header_hash(), "-",
                      absl::Hex(weights.content_hash, absl::kZeroPad16),
                      ";kv=", backend::KvTypeName(resources.plan.kv_shape.type),
                      ";adapter=none;placement=", resources.backend->device());
}

absl::Status Allocate(Resources& resources, const FractionCallback& progress) {
  backend::Backend& backend = *resources.backend;
  const formats::ModelFile& file = resources.model->file();
  const int64_t whole = std::max<int64_t>(1, model::BytesToRead(file));
  absl::StatusOr<model::LlamaWeights> weights =
      model::LoadWeights(file, resources.plan.config, backend, [&](int64_t bytes_done) {
        return progress(static_cast<float>(bytes_done) / static_cast<float>(whole));
      });
  if (!weights.ok()) return weights.status();
  resources.weights = *std::move(weights);
  absl::StatusOr<std::unique_ptr<backend::KvCache>> cache =
      backend.CreateKvCache(resources.plan.kv_shape, resources.plan.numbers.kv_blocks);
  if (!cache.ok()) return cache.status();
  resources.cache = *std::move(cache);
  resources.paged = std::make_unique<kv::PagedCache>(
      static_cast<int32_t>(resources.plan.numbers.kv_blocks), resources.plan.numbers.block_size);
  const model::StepLimits& limits = resources.plan.limits;
  const int64_t running_max = resources.plan.running_max;
  resources.scheduler = std::make_unique<scheduler::Scheduler>(
      *resources.paged,
      scheduler::SchedulerLimits{
          .rows = limits.rows, .logit_rows = limits.logit_rows, .running_max = running_max});
  absl::StatusOr<std::unique_ptr<model::ForwardPass>> pass = model::ForwardPass::Create(
      resources.plan.config, resources.weights, backend, *resources.cache, resources.plan.limits);
  if (!pass.ok()) return pass.status();
  resources.pass = *std::move(pass);
  resources.sampler = std::make_unique<sampling::Sampler>(resources.plan.config.vocab_size);
  return absl::OkStatus();
}

// Beside such a step neither rows nor drafters cost anything.
constexpr double kForEverUs = 1e9;

// After all else: what a step costs is measured on what was loaded.
absl::Status PrepareDrafting(Resources& resources, const EngineOptions& options, LogRing& log,
                             const FractionCallback& progress) {
  const LoadPlan& plan = resources.plan;
  const int64_t rows_max = plan.limits.logit_rows;
  absl::StatusOr<speculation::StepCost> cost =
      speculation::StepCost({1, rows_max + 1}, {kForEverUs, kForEverUs});
  if (!options.free_drafts) {
    cost = MeasureStepCost(*resources.pass,
                           {.rows_max = rows_max,
                            .block_size = plan.kv_shape.block_size,
                            .kv_blocks = plan.numbers.kv_blocks,
                            .context_length = plan.limits.context_length},
                           [&] { return !progress(1); });
  }
  if (!cost.ok()) return cost.status();
  resources.drafting =
      std::make_unique<Drafting>(plan.running_max, plan.config.vocab_size, *std::move(cost), log);
  return absl::OkStatus();
}

// A budget that does not even hold the metadata is told with its numbers, too.
absl::StatusOr<std::shared_ptr<const Model>> OpenModel(ModelSource& source,
                                                       const EngineOptions& options,
                                                       const EngineAccounts& accounts) {
  memory::ForgetHeapRefusal();
  try {
    return Model::Open(source, options.use_mmap, accounts.heap.get());
  } catch (const std::bad_alloc&) {
    const memory::HeapRefusal refusal = memory::LastHeapRefusal();
    if (refusal.limit_bytes == 0) throw;
    return absl::ResourceExhaustedError(absl::StrCat(
        "memory_budget_bytes is ", refusal.limit_bytes, "; opening the model needs more than the ",
        refusal.used_bytes, " + ", refusal.bytes,
        " bytes of heap that it asked for until then; raise it or choose a smaller model"));
  }
}

// A tokenizer with other ids than the model's rows would give garbage or worse.
absl::Status CheckVocabulary(const Model& model, const model::LlamaConfig& config) {
  if (model.file().tokenizer().tokens.empty() || model.vocab_size() <= config.vocab_size) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the tokenizer has ", model.vocab_size(),
                                          " tokens; token_embd.weight has only ", config.vocab_size,
                                          " rows"));
}

// Fills resources that hold nothing but the model, on the device that the options name.
absl::Status LoadOnto(Resources& resources, const EngineOptions& options, LogRing& log,
                      const FractionCallback& progress, const EngineAccounts& accounts) {
  resources.host_hooks = options.memory_hooks;
  resources.host_job_hook = options.job_hook;
  resources.memory = std::make_unique<memory::LargeMemory>(accounts.everything,
                                                           InHostFpMode(resources.host_hooks));
  absl::StatusOr<std::unique_ptr<backend::Backend>> backend =
      SelectBackend(options, *resources.memory, resources.host_job_hook);
  if (!backend.ok()) return backend.status();
  resources.backend = *std::move(backend);
  absl::StatusOr<LoadPlan> plan =
      MakeLoadPlan(resources.model->file(), resources.model->heap(), options, *resources.backend);
  if (!plan.ok()) return plan.status();
  resources.plan = *std::move(plan);
  absl::Status status = CheckVocabulary(*resources.model, resources.plan.config);
  if (!status.ok()) return status;
  if (!progress(0)) return absl::CancelledError("the load was cancelled");
  status = Allocate(resources, progress);
  if (status.ok() && DraftMax(options) > 0) {
    status = PrepareDrafting(resources, options, log, progress);
  }
  if (!status.ok()) return status;
  resources.fingerprint = Fingerprint(resources, options);
  return absl::OkStatus();
}

// What became of "auto", in one record.
void LogChoice(const backend::Backend& chosen, const absl::Status& why_not, LogRing& log) {
  log.Add(LogLevel::kInfo, [&] {
    return absl::StrCat("device auto: using ", chosen.device(), ": ",
                        why_not.ok() ? "the first that runs the model" : why_not.message());
  });
}

}  // namespace

EngineAccounts EngineAccounts::Create(int64_t limit_bytes) {
  EngineAccounts accounts;
  accounts.everything = memory::Budget::Create(limit_bytes);
  accounts.heap = memory::Budget::Create(0, accounts.everything.get());
  return accounts;
}

absl::StatusOr<std::unique_ptr<Resources>> LoadResources(ModelSource& source,
                                                         const EngineOptions& options, LogRing& log,
                                                         const FractionCallback& progress,
                                                         EngineAccounts accounts) {
  if (accounts.heap.get() == nullptr) {
    accounts = EngineAccounts::Create(options.memory_budget_bytes);
  }
  absl::StatusOr<std::shared_ptr<const Model>> model = OpenModel(source, options, accounts);
  if (!model.ok()) return model.status();
  std::unique_ptr<Resources> resources;
  absl::Status why_not;
  absl::Status status = UseFirstDevice(
      options, (*model)->file(),
      [&](const EngineOptions& chosen) {
        // What an earlier device took is gone with them.
        resources = std::make_unique<Resources>();
        resources->model = *model;
        absl::Status loaded = LoadOnto(*resources, chosen, log, progress, accounts);
        if (!loaded.ok()) resources.reset();
        return loaded;
      },
      why_not);
  if (!status.ok()) return status;
  if (options.device == "auto") LogChoice(*resources->backend, why_not, log);
  const Plan& numbers = resources->plan.numbers;
  log.Add(LogLevel::kInfo, [&] {
    return absl::StrCat("loaded on ", resources->backend->DeviceClass(), " with ",
                        resources->backend->num_threads(), " threads: weights ",
                        numbers.weights_bytes, ", KV ", numbers.kv_bytes, " (", numbers.kv_blocks,
                        " blocks), workspace ", numbers.workspace_bytes, " bytes");
  });
  return resources;
}

}  // namespace llmrt::engine
