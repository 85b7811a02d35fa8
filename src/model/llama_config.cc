#include "model/llama_config.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "numerics/fp_mode.h"

namespace llmrt::model {
namespace {

using formats::ModelFile;
using formats::TensorInfo;

// Bounds that no llama model comes near; below them no product of two numbers overflows int64.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxDim = 1 << 20;
constexpr int64_t kMaxHeads = 1 << 14;
constexpr int64_t kMaxHeadDim = 512;  // attention kernels keep a head's row on the stack
constexpr int64_t kMaxContext = 1 << 24;

// Radians up to which the rope table's sine and cosine reduce their argument; beyond it they give
// NaN.
constexpr double kMaxRopeAngle = 1 << 24;

// The smallest normal float32, 2^-126. Below it an all-zero row, of an unused token's embedding for
// one, would be divided by a zero: denormals count as zero here.
constexpr double kMinNormEpsilon = 0x1p-126;

// Reads whole numbers of a file and remembers the first failure, so that a dozen keys read as a
// list.
class KeyReader {
 public:
  explicit KeyReader(const ModelFile& file) : file_(file) {}

  // A number in [1, max]; absent: `fallback`, which 0 makes an error.
  int64_t Positive(const char* key, int64_t fallback, int64_t max) {
    if (!status_.ok()) return 1;
    absl::StatusOr<int64_t> value = file_.GetInt(key, fallback);
    if (!value.ok()) {
      status_ = value.status();
    } else if (*value < 1 || *value > max) {
      status_ = absl::DataLossError(
          file_.FindMetadata(key) == nullptr
              ? absl::StrCat("the file has no key ", key, "; convert the model again")
              : absl::StrCat(key, " is ", *value, "; it must be 1 to ", max));
    }
    return status_.ok() ? *value : 1;
  }

  double Real(const char* key, double fallback, double min, double max) {
    if (!status_.ok()) return fallback;
    absl::StatusOr<double> value = file_.GetDouble(key, fallback);
    if (!value.ok()) {
      status_ = value.status();
    } else if (!(*value >= min && *value <= max)) {
      status_ =
          absl::DataLossError(absl::StrCat(key, " is ", *value, "; it must be ", min, " to ", max));
    }
    return status_.ok() ? *value : fallback;
  }

  std::string Text(const char* key, const char* fallback) {
    if (!status_.ok()) return fallback;
    absl::StatusOr<std::string> value = file_.GetString(key, fallback);
    if (!value.ok()) status_ = value.status();
    return status_.ok() ? *std::move(value) : fallback;
  }

  const absl::Status& status() const { return status_; }

 private:
  const ModelFile& file_;
  absl::Status status_;
};

absl::Status ReadRope(KeyReader& reader, const ModelFile& file, LlamaConfig& config) {
  numerics::RopeParams& rope = config.rope;
  rope.dims = static_cast<int32_t>(
      reader.Positive("llama.rope.dimension_count", config.head_dim, kMaxHeadDim));
  rope.base = reader.Real("llama.rope.freq_base", 10000.0, 1.0, 1e12);
  const std::string scaling = reader.Text("llama.rope.scaling.type", "none");
  // Older files give a linear factor without naming its type.
  const double old_factor = reader.Real("llama.rope.scale_linear", 1.0, 1e-3, 1e6);
  rope.factor = reader.Real("llama.rope.scaling.factor", old_factor, 1e-3, 1e6);
  if (!reader.status().ok()) return reader.status();
  if (scaling == "none") {
    rope.scaling =
        old_factor == 1.0 ? numerics::RopeScaling::kNone : numerics::RopeScaling::kLinear;
    rope.factor = old_factor;
  } else if (scaling == "linear") {
    rope.scaling = numerics::RopeScaling::kLinear;
  } else if (scaling == "llama3") {
    rope.scaling = numerics::RopeScaling::kLlama3;
    rope.low_freq_factor = reader.Real("llama.rope.scaling.low_freq_factor", 1.0, 1e-3, 1e6);
    rope.high_freq_factor = reader.Real("llama.rope.scaling.high_freq_factor", 4.0, 1e-3, 1e6);
    rope.original_context =
        reader.Real("llama.rope.scaling.original_context_length", 8192.0, 1.0, kMaxContext);
  } else {
    return absl::UnimplementedError(absl::StrCat("llama.rope.scaling.type is '", scaling,
                                                 "'; known are none, linear and llama3"));
  }
  if (rope.dims > config.head_dim) {
    return absl::DataLossError(absl::StrCat("llama.rope.dimension_count is ", rope.dims,
                                            "; a head has only ", config.head_dim, " dimensions"));
  }
  // The divisors of rope_freqs.weight are read with the weights; only its length is known here.
  if (const char* wrong = numerics::CheckRopeParams(rope)) {
    return absl::DataLossError(absl::StrCat("rope: ", wrong));
  }
  const TensorInfo* divisors = file.FindTensor("rope_freqs.weight");
  if (divisors != nullptr && divisors->cols() != rope.dims / 2) {
    return absl::DataLossError(absl::StrCat("rope_freqs.weight has ", divisors->cols(),
                                            " values; rope rotates ", rope.dims / 2, " pairs"));
  }
  return reader.status();
}

absl::Status ReadHeads(KeyReader& reader, LlamaConfig& config) {
  config.num_q_heads =
      static_cast<int32_t>(reader.Positive("llama.attention.head_count", 0, kMaxHeads));
  config.num_kv_heads = static_cast<int32_t>(
      reader.Positive("llama.attention.head_count_kv", config.num_q_heads, kMaxHeads));
  if (!reader.status().ok()) return reader.status();
  if (config.num_q_heads % config.num_kv_heads != 0) {
    return absl::DataLossError(absl::StrCat("llama.attention.head_count is ", config.num_q_heads,
                                            "; it must be a multiple of head_count_kv, which is ",
                                            config.num_kv_heads));
  }
  const int64_t by_division =
      config.dim % config.num_q_heads == 0 ? config.dim / config.num_q_heads : 0;
  config.head_dim =
      static_cast<int32_t>(reader.Positive("llama.attention.key_length", by_division, kMaxHeadDim));
  const int64_t value_length =
      reader.Positive("llama.attention.value_length", config.head_dim, kMaxHeadDim);
  if (!reader.status().ok()) return reader.status();
  if (value_length != config.head_dim) {
    return absl::UnimplementedError(absl::StrCat("llama.attention.value_length is ", value_length,
                                                 "; only the length of the keys, ", config.head_dim,
                                                 ", is supported"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string LayerTensorName(int32_t layer, const char* part) {
  return absl::StrCat("blk.", layer, ".", part, ".weight");
}

absl::StatusOr<LlamaConfig> ReadLlamaConfig(const ModelFile& file) {
  absl::StatusOr<std::string> architecture = file.GetString("general.architecture", "");
  if (!architecture.ok()) return architecture.status();
  if (*architecture != "llama") {
    return absl::UnimplementedError(
        absl::StrCat("the model's architecture is '", *architecture, "'; only llama is supported"));
  }
  const TensorInfo* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) {
    return absl::DataLossError(
        "the file has no tensor token_embd.weight; it holds no weights to run");
  }
  const numerics::ScopedFpMode fp_mode;  // epsilon is rounded to float32
  LlamaConfig config;
  KeyReader reader(file);
  config.num_layers = static_cast<int32_t>(reader.Positive("llama.block_count", 0, kMaxLayers));
  config.dim = static_cast<int32_t>(reader.Positive("llama.embedding_length", 0, kMaxDim));
  config.ffn_dim = static_cast<int32_t>(reader.Positive("llama.feed_forward_length", 0, kMaxDim));
  config.context_length = reader.Positive("llama.context_length", 0, kMaxContext);
  config.norm_epsilon = static_cast<float>(
      reader.Real("llama.attention.layer_norm_rms_epsilon", 1e-5, kMinNormEpsilon, 1.0));
  absl::Status status = ReadHeads(reader, config);
  if (status.ok()) status = ReadRope(reader, file, config);
  if (!status.ok()) return status;
  if (embedding->num_dims != 2 || embedding->rows() < 1 || embedding->rows() > kVocabSizeMax) {
    return absl::DataLossError(absl::StrCat("token_embd.weight has ", embedding->rows(),
                                            " rows; the vocabulary must be 1 to ", kVocabSizeMax));
  }
  config.vocab_size = static_cast<int32_t>(embedding->rows());
  config.tied_embeddings = file.FindTensor("output.weight") == nullptr;
  return config;
}

absl::Status CheckRope(const LlamaConfig& config, int64_t context_length) {
  const numerics::ScopedFpMode fp_mode;
  if (const char* wrong = numerics::CheckRopeParams(config.rope)) {
    return absl::DataLossError(absl::StrCat("rope: ", wrong));
  }
  const std::vector<double> frequencies = numerics::RopeFrequencies(config.rope);
  const double fastest = *std::max_element(frequencies.begin(), frequencies.end());
  const double angle = fastest * static_cast<double>(context_length);
  if (angle <= kMaxRopeAngle) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "rope turns ", fastest, " radians a position, ", angle, " in a context of ", context_length,
      "; the limit is ", static_cast<int64_t>(kMaxRopeAngle), "; correct ",
      config.rope.freq_divisors.empty() ? "the rope scaling factor" : "rope_freqs.weight",
      " or choose a shorter context_length"));
}

}  // namespace llmrt::model
