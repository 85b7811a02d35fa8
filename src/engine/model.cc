#include "engine/model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/planner.h"
#include "engine/select_backend.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {

absl::StatusOr<std::shared_ptr<const Model>> Model::Open(ModelSource& source, bool use_mmap,
                                                         memory::Budget* parent) {
  const memory::BudgetRef account = memory::Budget::Create(0, parent);
  absl::StatusOr<std::shared_ptr<Model>> model = [&] {
    const memory::ScopedHeapAccount scope(account);
    return OpenHere(source, use_mmap);
  }();
  if (!model.ok()) return model.status();
  (*model)->heap_ = {.bytes = account->used_bytes(), .open_peak_bytes = account->peak_bytes()};
  return *std::move(model);
}

absl::StatusOr<std::shared_ptr<Model>> Model::OpenHere(ModelSource& source, bool use_mmap) {
  absl::StatusOr<std::unique_ptr<formats::ModelFile>> file = source.Open(use_mmap);
  if (!file.ok()) return file.status();
  std::shared_ptr<Model> model(new Model());
  model->file_ = *std::move(file);
  if (!model->file_->tokenizer().tokens.empty()) {
    absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer =
        text::Tokenizer::Create(model->file_->tokenizer());
    if (tokenizer.ok()) {
      model->tokenizer_ = *std::move(tokenizer);
    } else if (absl::IsUnimplemented(tokenizer.status())) {
      model->tokenizer_status_ = absl::UnimplementedError(
          absl::StrCat(model->file_->name(), ": ", tokenizer.status().message()));
    } else {
      return tokenizer.status();
    }
  }
  return model;
}

absl::StatusOr<const text::Tokenizer*> Model::tokenizer() const {
  if (tokenizer_ == nullptr) return tokenizer_status_;
  return tokenizer_.get();
}

int64_t Model::vocab_size() const {
  const size_t num_tokens = file_->tokenizer().tokens.size();
  if (num_tokens > 0) return static_cast<int64_t>(num_tokens);
  const formats::TensorInfo* embedding = file_->FindTensor("token_embd.weight");
  return embedding != nullptr ? embedding->rows() : 0;
}

absl::StatusOr<Plan> Model::MakePlan(const EngineOptions& options) const {
  Plan numbers;
  absl::Status why_not;
  absl::Status status = UseFirstDevice(
      options, *file_, [&](const EngineOptions& chosen) { return PlanOnto(chosen, numbers); },
      why_not);
  if (!status.ok()) return status;
  return numbers;
}

absl::Status Model::PlanOnto(const EngineOptions& options, Plan& numbers) const {
  memory::LargeMemory memory(0);
  absl::StatusOr<std::unique_ptr<backend::Backend>> backend =
      SelectBackend(options, memory, options.job_hook);
  if (!backend.ok()) return backend.status();
  absl::StatusOr<LoadPlan> plan = MakeLoadPlan(*file_, heap_, options, **backend);
  if (!plan.ok()) return plan.status();
  const double bandwidth = (*backend)->MeasureReadBandwidth();
  plan->numbers.read_bandwidth_bytes_per_second = bandwidth;
  plan->numbers.decode_tokens_per_second_ceiling =
      DecodeCeiling(*plan, *file_, **backend, bandwidth);
  numbers = plan->numbers;
  return absl::OkStatus();
}

}  // namespace llmrt::engine
