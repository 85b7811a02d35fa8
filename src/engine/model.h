// A model file opened for inspection: its metadata, its tokenizer, and what loading it would cost.
// An engine opens the same thing before it reads weights, and shares it with the host afterwards.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/options.h"
#include "formats/model_file.h"
#include "text/tokenizer.h"

namespace llmrt::engine {

// Opens a model's bytes, as often as asked; the ABI layer's source objects implement it.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  virtual absl::StatusOr<std::unique_ptr<formats::ModelFile>> Open(bool use_mmap) = 0;
};

// What an engine takes, to the byte; see llmrt_plan for the units.
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
};

class Model {
 public:
  static absl::StatusOr<std::shared_ptr<const Model>> Open(ModelSource& source, bool use_mmap);

  const formats::ModelFile& file() const { return *file_; }
  // FAILED_PRECONDITION where the file has no tokenizer, UNIMPLEMENTED where it has one that the
  // library does not know: such a model still opens, so that people can see what they have, and
  // runs on token ids.
  absl::StatusOr<const text::Tokenizer*> tokenizer() const;
  // Tokens in the vocabulary: the tokenizer's or, without one, rows of the embedding.
  int64_t vocab_size() const;
  // Also measures the read bandwidth.
  absl::StatusOr<Plan> MakePlan(const EngineOptions& options) const;

 private:
  Model() = default;
  std::unique_ptr<formats::ModelFile> file_;
  std::unique_ptr<text::Tokenizer> tokenizer_;  // null: see tokenizer_status_
  absl::Status tokenizer_status_ = absl::FailedPreconditionError(
      "the model file has no tokenizer; use token ids or convert the model with its vocabulary");
};

}  // namespace llmrt::engine
