// A model file opened for inspection: its metadata, its tokenizer, and what loading it would cost.
// An engine opens the same thing before it reads weights, and shares it with the host afterwards.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/options.h"
#include "formats/model_file.h"
#include "memory/budget.h"
#include "text/tokenizer.h"

namespace llmrt::engine {

// Opens a model's bytes, as often as asked; the ABI layer's source objects implement it.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  virtual absl::StatusOr<std::unique_ptr<formats::ModelFile>> Open(bool use_mmap) = 0;
};

// What an engine takes; see llmrt_plan for the units.
struct Plan {
  int32_t block_size = 0;
  int64_t weights_bytes = 0;
  int64_t kv_bytes_per_token = 0;
  int64_t kv_blocks = 0;
  int64_t kv_bytes = 0;
  int64_t workspace_bytes = 0;
  int64_t total_bytes = 0;
  int64_t context_length = 0;
  double read_bandwidth_bytes_per_second = 0;
  double decode_tokens_per_second_ceiling = 0;
  int64_t heap_bytes = 0;
  int64_t overhead_bytes = 0;
};

// Heap of an opened model: its metadata and the tokenizer's tables.
struct ModelHeap {
  int64_t bytes = 0;
  int64_t open_peak_bytes = 0;  // while it was opened
};

class Model {
 public:
  // All of its heap is charged to an account of its own, below `parent` if that is not null.
  static absl::StatusOr<std::shared_ptr<const Model>> Open(ModelSource& source, bool use_mmap,
                                                           memory::Budget* parent = nullptr);

  const formats::ModelFile& file() const { return *file_; }
  // FAILED_PRECONDITION where the file has no tokenizer, UNIMPLEMENTED where it has one that the
  // library does not know: such a model still opens, so that people can see what they have, and
  // runs on token ids.
  absl::StatusOr<const text::Tokenizer*> tokenizer() const;
  // Tokens in the vocabulary: the tokenizer's or, without one, rows of the embedding.
  int64_t vocab_size() const;
  // As counted when it was opened: equal for equal files, so that a plan made from this model and
  // the load of an engine that opens the file again agree. 0 where the heap is not counted.
  const ModelHeap& heap() const { return heap_; }
  // Also measures the read bandwidth.
  absl::StatusOr<Plan> MakePlan(const EngineOptions& options) const;

 private:
  Model() = default;
  static absl::StatusOr<std::shared_ptr<Model>> OpenHere(ModelSource& source, bool use_mmap);
  // On the device that the options name.
  absl::Status PlanOnto(const EngineOptions& options, Plan& numbers) const;
  ModelHeap heap_;
  std::unique_ptr<formats::ModelFile> file_;
  std::unique_ptr<text::Tokenizer> tokenizer_;  // null: see tokenizer_status_
  absl::Status tokenizer_status_ = absl::FailedPreconditionError(
      "the model file has no tokenizer; use token ids or convert the model with its vocabulary");
};

}  // namespace llmrt::engine
