// The weights of a llama-architecture model on a backend, and the way they get there: which tensors
// must be in the file with which shapes, what they will cost, and what holds them. Reading them is
// weight_loader.h's part.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "formats/model_file.h"
#include "model/llama_config.h"
#include "model/weight_loader.h"

namespace llmrt::model {

struct LlamaLayer {
  std::unique_ptr<backend::Matrix> query;   // [q_dim, dim]
  std::unique_ptr<backend::Matrix> key;     // [kv_dim, dim]
  std::unique_ptr<backend::Matrix> value;   // [kv_dim, dim]
  std::unique_ptr<backend::Matrix> output;  // [dim, q_dim]
  std::unique_ptr<backend::Matrix> gate;    // [ffn_dim, dim]
  std::unique_ptr<backend::Matrix> up;      // [ffn_dim, dim]
  std::unique_ptr<backend::Matrix> down;    // [dim, ffn_dim]
};

struct LlamaWeights {
  std::unique_ptr<backend::Matrix> embedding;  // [vocab_size, dim]
  std::unique_ptr<backend::Matrix> output;     // [vocab_size, dim]; null: the embedding is used
  std::vector<LlamaLayer> layers;
  // Norm weights, float32 [2 * num_layers + 1][dim]: attention and feed-forward of each layer, then
  // the final one.
  std::unique_ptr<backend::Buffer> norms;
  uint64_t content_hash = 0;  // of all tensors, in the order of the file, and the rope divisors

  const backend::Matrix& head() const { return output ? *output : *embedding; }
  const float* norm(int32_t index, int32_t dim) const {
    return reinterpret_cast<const float*>(norms->data()) + int64_t{index} * dim;
  }
};

// Whether every matrix of the file has a type that `runs` says yes to; UNIMPLEMENTED names one that
// has not, and `device`. CheckTensors asks the same of a backend; this is for before there is one.
absl::Status CheckWeightTypes(const formats::ModelFile& file,
                              absl::FunctionRef<bool(backend::WeightType)> runs,
                              std::string_view device);

// Checks that the file holds every tensor of the model in its shape, and no other, and says what
// they take on `backend`. Reads no weights.
absl::StatusOr<int64_t> CheckTensors(const formats::ModelFile& file, const LlamaConfig& config,
                                     const backend::Backend& backend);

// Bytes that LoadWeights will read: the progress' whole.
int64_t BytesToRead(const formats::ModelFile& file);

// The most that LoadWeights takes from the heap while it reads, on a backend of so many threads.
int64_t StagingBytes(const formats::ModelFile& file, const LlamaConfig& config, int32_t threads);

// After CheckTensors, with the rope divisors in `config` where the file has them. Allocates all,
// then fills it.
absl::StatusOr<LlamaWeights> LoadWeights(const formats::ModelFile& file, const LlamaConfig& config,
                                         backend::Backend& backend, const LoadProgress& progress);

// The divisors of rope frequencies, which some files carry as a tensor; empty where there is none.
// DATA_LOSS where one is not positive and finite.
absl::StatusOr<std::vector<float>> ReadRopeDivisors(const formats::ModelFile& file);

}  // namespace llmrt::model
