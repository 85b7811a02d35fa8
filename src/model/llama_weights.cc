#include "model/llama_weights.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "memory/large_buffer.h"
#include "numerics/fp_mode.h"
#include "quant/dequantize.h"

namespace llmrt::model {
namespace {

using backend::Backend;
using backend::Buffer;
using backend::Matrix;
using backend::WeightType;
using formats::ModelFile;
using formats::TensorInfo;

constexpr char kEmbedding[] = "token_embd.weight";
constexpr char kOutput[] = "output.weight";
constexpr char kFinalNorm[] = "output_norm.weight";
constexpr char kRopeDivisors[] = "rope_freqs.weight";

struct MatrixSlot {
  const char* part;
  std::unique_ptr<Matrix> LlamaLayer::*matrix;
  int64_t rows;
  int64_t cols;
};

// The matrices of a layer in the order of their use, which is the order they are read in.
std::vector<MatrixSlot> LayerSlots(const LlamaConfig& config) {
  const int64_t dim = config.dim, ffn = config.ffn_dim;
  return {{"attn_q", &LlamaLayer::query, config.q_dim(), dim},
          {"attn_k", &LlamaLayer::key, config.kv_dim(), dim},
          {"attn_v", &LlamaLayer::value, config.kv_dim(), dim},
          {"attn_output", &LlamaLayer::output, dim, config.q_dim()},
          {"ffn_gate", &LlamaLayer::gate, ffn, dim},
          {"ffn_up", &LlamaLayer::up, ffn, dim},
          {"ffn_down", &LlamaLayer::down, dim, ffn}};
}

absl::StatusOr<const TensorInfo*> Find(const ModelFile& file, std::string_view name, int64_t rows,
                                       int64_t cols) {
  const TensorInfo* tensor = file.FindTensor(name);
  if (tensor == nullptr) {
    return absl::DataLossError(
        absl::StrCat("the file has no tensor ", name, "; it is incomplete or not a llama model"));
  }
  if (tensor->rows() != rows || tensor->cols() != cols) {
    return absl::DataLossError(absl::StrCat("tensor ", name, " is ", tensor->cols(), " x ",
                                            tensor->rows(), "; the model's dimensions ask for ",
                                            cols, " x ", rows));
  }
  return tensor;
}

// A vector in any type, as float32. The caller's thread may round as its host likes.
absl::Status DequantizeVector(const TensorInfo& tensor, absl::Span<const uint8_t> bytes,
                              absl::Span<float> out) {
  const numerics::ScopedFpMode fp_mode;
  return quant::DequantizeRow(tensor.type, bytes, out);
}

using RunsType = absl::FunctionRef<bool(WeightType)>;

absl::Status DoesNotRun(const TensorInfo& tensor, RunsType runs, std::string_view device) {
  std::string types;
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = static_cast<WeightType>(i);
    if (!runs(type)) continue;
    absl::StrAppend(&types, types.empty() ? "" : ", ", backend::GeometryOf(type).name);
  }
  return absl::UnimplementedError(
      absl::StrCat("tensor ", tensor.name, " is ", backend::GeometryOf(tensor.type).name, "; ",
                   device, " runs ", types, "; use device cpu or a model of these types"));
}

// Adds up what the checks have seen.
class TensorCensus {
 public:
  TensorCensus(const ModelFile& file, const Backend& backend) : file_(file), backend_(backend) {}

  void AddMatrix(const std::string& name, int64_t rows, int64_t cols) {
    if (const TensorInfo* tensor = Add(name, rows, cols)) {
      if (!backend_.RunsWeights(tensor->type)) {
        status_ = DoesNotRun(
            *tensor, [&](WeightType type) { return backend_.RunsWeights(type); },
            backend_.device());
      }
      bytes_ += backend_.MatrixBytes(tensor->type, rows, cols);
    }
  }
  void AddVector(const std::string& name, int64_t count) { Add(name, 1, count); }

  absl::StatusOr<int64_t> Finish() {
    if (!status_.ok()) return status_;
    for (const TensorInfo& tensor : file_.tensors()) {
      if (seen_.contains(tensor.name)) continue;
      return absl::UnimplementedError(
          absl::StrCat("tensor ", tensor.name,
                       " belongs to a variant of the llama architecture that is not supported"));
    }
    return bytes_;
  }

 private:
  const TensorInfo* Add(const std::string& name, int64_t rows, int64_t cols) {
    if (!status_.ok()) return nullptr;
    absl::StatusOr<const TensorInfo*> tensor = Find(file_, name, rows, cols);
    if (!tensor.ok()) {
      status_ = tensor.status();
      return nullptr;
    }
    seen_.insert((*tensor)->name);
    return *tensor;
  }

  const ModelFile& file_;
  const Backend& backend_;
  std::set<std::string_view> seen_;
  int64_t bytes_ = 0;
  absl::Status status_;
};

int64_t TensorsMax(const LlamaConfig& config) {
  constexpr int64_t kTensorsALayer = 9;
  return kTensorsALayer * config.num_layers + 3;  // embedding, output, final norm
}

WeightLoader::Limits LoaderLimits(const LlamaConfig& config) {
  return {.tensors = TensorsMax(config), .vector_elements = config.dim};
}

// Makes what tensors go to and tells the loader. Nothing is written yet.
class Destinations {
 public:
  Destinations(const ModelFile& file, Backend& backend, WeightLoader& loader)
      : file_(file), backend_(backend), loader_(loader) {}

  absl::StatusOr<std::unique_ptr<Matrix>> Add(std::string_view name, int64_t rows, int64_t cols) {
    absl::StatusOr<const TensorInfo*> tensor = Find(file_, name, rows, cols);
    if (!tensor.ok()) return tensor.status();
    absl::StatusOr<std::unique_ptr<Matrix>> matrix =
        backend_.CreateMatrix((*tensor)->type, rows, cols);
    if (matrix.ok()) loader_.AddMatrix(**tensor, **matrix);
    return matrix;
  }

  absl::Status AddNorm(std::string_view name, int32_t dim, int64_t index, Buffer& norms) {
    absl::StatusOr<const TensorInfo*> tensor = Find(file_, name, 1, dim);
    if (!tensor.ok()) return tensor.status();
    loader_.AddVector(**tensor, norms, index * dim * int64_t{sizeof(float)});
    return absl::OkStatus();
  }

 private:
  const ModelFile& file_;
  Backend& backend_;
  WeightLoader& loader_;
};

// The divisors were read for the configuration, before anything was allocated: what is hashed is
// what the frequencies are divided by.
absl::Status AddRopeDivisors(const ModelFile& file, absl::Span<const float> divisors,
                             WeightLoader& loader) {
  const TensorInfo* tensor = file.FindTensor(kRopeDivisors);
  if (tensor == nullptr) return absl::OkStatus();
  if (static_cast<int64_t>(divisors.size()) != tensor->cols()) {
    return absl::InternalError(absl::StrCat("the configuration has ", divisors.size(), " of ",
                                            tensor->cols(), " rope divisors; read them first"));
  }
  return loader.AddRead(
      {reinterpret_cast<const uint8_t*>(divisors.data()), divisors.size() * sizeof(float)},
      tensor->bytes);
}

int64_t NormsBytes(const LlamaConfig& config) {
  return (int64_t{2} * config.num_layers + 1) * config.dim * 4;
}

absl::Status AddLayer(const LlamaConfig& config, int32_t index, Destinations& destinations,
                      LlamaWeights& weights) {
  LlamaLayer& layer = weights.layers[static_cast<size_t>(index)];
  for (const MatrixSlot& slot : LayerSlots(config)) {
    absl::StatusOr<std::unique_ptr<Matrix>> matrix =
        destinations.Add(LayerTensorName(index, slot.part), slot.rows, slot.cols);
    if (!matrix.ok()) return matrix.status();
    layer.*slot.matrix = *std::move(matrix);
  }
  absl::Status status = destinations.AddNorm(LayerTensorName(index, "attn_norm"), config.dim,
                                             int64_t{2} * index, *weights.norms);
  if (!status.ok()) return status;
  return destinations.AddNorm(LayerTensorName(index, "ffn_norm"), config.dim,
                              int64_t{2} * index + 1, *weights.norms);
}

absl::Status AddAll(const LlamaConfig& config, Backend& backend, Destinations& destinations,
                    LlamaWeights& weights) {
  absl::StatusOr<std::unique_ptr<Buffer>> norms =
      backend.CreateBuffer(NormsBytes(config), memory::Tag::kWeights);
  if (!norms.ok()) return norms.status();
  weights.norms = *std::move(norms);
  absl::StatusOr<std::unique_ptr<Matrix>> embedding =
      destinations.Add(kEmbedding, config.vocab_size, config.dim);
  if (!embedding.ok()) return embedding.status();
  weights.embedding = *std::move(embedding);
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    absl::Status status = AddLayer(config, layer, destinations, weights);
    if (!status.ok()) return status;
  }
  if (!config.tied_embeddings) {
    absl::StatusOr<std::unique_ptr<Matrix>> output =
        destinations.Add(kOutput, config.vocab_size, config.dim);
    if (!output.ok()) return output.status();
    weights.output = *std::move(output);
  }
  return destinations.AddNorm(kFinalNorm, config.dim, int64_t{2} * config.num_layers,
                              *weights.norms);
}

}  // namespace

absl::Status CheckWeightTypes(const ModelFile& file, RunsType runs, std::string_view device) {
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.num_dims == 2 && !runs(tensor.type)) return DoesNotRun(tensor, runs, device);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> CheckTensors(const ModelFile& file, const LlamaConfig& config,
                                     const Backend& backend) {
  absl::Status types = file.CheckTypes();
  if (!types.ok()) return types;
  TensorCensus census(file, backend);
  census.AddMatrix(kEmbedding, config.vocab_size, config.dim);
  if (!config.tied_embeddings) census.AddMatrix(kOutput, config.vocab_size, config.dim);
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    for (const MatrixSlot& slot : LayerSlots(config)) {
      census.AddMatrix(LayerTensorName(layer, slot.part), slot.rows, slot.cols);
    }
    census.AddVector(LayerTensorName(layer, "attn_norm"), config.dim);
    census.AddVector(LayerTensorName(layer, "ffn_norm"), config.dim);
  }
  census.AddVector(kFinalNorm, config.dim);
  if (file.FindTensor(kRopeDivisors) != nullptr) {
    census.AddVector(kRopeDivisors, config.rope.dims / 2);
  }
  absl::StatusOr<int64_t> bytes = census.Finish();
  if (!bytes.ok()) return bytes.status();
  return *bytes + NormsBytes(config);
}

int64_t BytesToRead(const ModelFile& file) {
  int64_t bytes = 0;
  for (const TensorInfo& tensor : file.tensors()) bytes += tensor.bytes;
  return bytes;
}

int64_t StagingBytes(const ModelFile& file, const LlamaConfig& config, int32_t threads) {
  return WeightLoader::HeapBytes(file, threads, LoaderLimits(config));
}

absl::StatusOr<LlamaWeights> LoadWeights(const ModelFile& file, const LlamaConfig& config,
                                         Backend& backend, const LoadProgress& progress) {
  LlamaWeights weights;
  weights.layers.resize(static_cast<size_t>(config.num_layers));
  WeightLoader loader(file, backend, progress, LoaderLimits(config));
  Destinations destinations(file, backend, loader);
  absl::Status status = AddAll(config, backend, destinations, weights);
  if (status.ok()) status = loader.Run();
  if (status.ok()) status = AddRopeDivisors(file, config.rope.freq_divisors, loader);
  if (!status.ok()) return status;
  weights.content_hash = loader.hash();
  return weights;
}

absl::StatusOr<std::vector<float>> ReadRopeDivisors(const ModelFile& file) {
  std::vector<float> divisors;
  const TensorInfo* tensor = file.FindTensor(kRopeDivisors);
  if (tensor == nullptr) return divisors;
  divisors.resize(static_cast<size_t>(tensor->cols()));
  std::vector<uint8_t> bytes(static_cast<size_t>(tensor->bytes));
  absl::Status status = file.ReadTensor(*tensor, 0, absl::MakeSpan(bytes));
  if (status.ok()) status = DequantizeVector(*tensor, bytes, absl::MakeSpan(divisors));
  if (!status.ok()) return status;
  for (const float divisor : divisors) {
    // Written so that NaN fails, too.
    if (!(divisor > 0 && divisor < std::numeric_limits<float>::infinity())) {
      return absl::DataLossError(absl::StrCat(kRopeDivisors, " holds ", divisor,
                                              "; every divisor must be above 0 and finite; convert "
                                              "the model again"));
    }
  }
  return divisors;
}

}  // namespace llmrt::model
