#include "tests/model/random_model.h"

#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "formats/byte_sink.h"
#include "formats/gguf_writer.h"
#include "quant/quantize.h"

namespace llmrt::testing {
namespace {

using backend::WeightType;

void AddTokenizer(const RandomModelSpec& spec, formats::GgufWriter& writer) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> kinds = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(absl::StrFormat("<0x%02X>", byte));
    kinds.push_back(6);
  }
  for (int i = 0; static_cast<int32_t>(tokens.size()) < spec.vocab_size; ++i) {
    tokens.push_back(i < 26 ? std::string(1, static_cast<char>('a' + i)) : absl::StrCat("w", i));
    kinds.push_back(1);
  }
  std::vector<float> scores(tokens.size());
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = -static_cast<float>(i);
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddStrings("tokenizer.ggml.tokens", tokens);
  writer.AddFloat32s("tokenizer.ggml.scores", scores);
  writer.AddInt32s("tokenizer.ggml.token_type", kinds);
  writer.AddUint32("tokenizer.ggml.bos_token_id", 1);
  writer.AddUint32("tokenizer.ggml.eos_token_id", 2);
  writer.AddBool("tokenizer.ggml.add_bos_token", true);
}

class TensorMaker {
 public:
  TensorMaker(const RandomModelSpec& spec, formats::GgufWriter& writer)
      : spec_(spec), writer_(writer), random_(spec.seed) {}

  // Weights of variance 1 / cols keep activations near 1 through every layer.
  void Matrix(const std::string& name, int64_t rows, int64_t cols) {
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(cols)));
    const auto found = spec_.types.find(name);
    const WeightType type = found != spec_.types.end() ? found->second : spec_.type;
    const int64_t row_bytes = *backend::RowBytes(type, cols);
    std::vector<uint8_t> bytes(static_cast<size_t>(rows * row_bytes));
    std::vector<float> row(static_cast<size_t>(cols));
    for (int64_t r = 0; r < rows; ++r) {
      for (float& value : row) value = normal(random_);
      Check(quant::QuantizeRow(type, row,
                               absl::MakeSpan(bytes).subspan(static_cast<size_t>(r * row_bytes),
                                                             static_cast<size_t>(row_bytes))));
    }
    if (name == spec_.left_out) return;
    Check(writer_.AddTensor(name, type, {cols, rows}, std::move(bytes)));
  }

  void Vector(const std::string& name, int64_t count) {
    std::uniform_real_distribution<float> uniform(0.5f, 1.5f);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = uniform(random_);
    if (name != spec_.left_out) Values(name, values);
  }

  void Values(const std::string& name, const std::vector<float>& values) {
    const auto* first = reinterpret_cast<const uint8_t*>(values.data());
    Check(writer_.AddTensor(name, WeightType::kF32, {static_cast<int64_t>(values.size())},
                            std::vector<uint8_t>(first, first + 4 * values.size())));
  }

 private:
  static void Check(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }

  const RandomModelSpec& spec_;
  formats::GgufWriter& writer_;
  std::mt19937 random_;
};

void AddTensors(const RandomModelSpec& spec, TensorMaker& make) {
  const int64_t head_dim = spec.dim / spec.q_heads;
  make.Matrix("token_embd.weight", spec.vocab_size, spec.dim);
  for (int32_t layer = 0; layer < spec.layers; ++layer) {
    const std::string prefix = absl::StrCat("blk.", layer, ".");
    make.Vector(prefix + "attn_norm.weight", spec.dim);
    make.Matrix(prefix + "attn_q.weight", spec.q_heads * head_dim, spec.dim);
    make.Matrix(prefix + "attn_k.weight", spec.kv_heads * head_dim, spec.dim);
    make.Matrix(prefix + "attn_v.weight", spec.kv_heads * head_dim, spec.dim);
    make.Matrix(prefix + "attn_output.weight", spec.dim, spec.q_heads * head_dim);
    make.Vector(prefix + "ffn_norm.weight", spec.dim);
    make.Matrix(prefix + "ffn_gate.weight", spec.ffn_dim, spec.dim);
    make.Matrix(prefix + "ffn_up.weight", spec.ffn_dim, spec.dim);
    make.Matrix(prefix + "ffn_down.weight", spec.dim, spec.ffn_dim);
  }
  make.Vector("output_norm.weight", spec.dim);
  if (!spec.tied) make.Matrix("output.weight", spec.vocab_size, spec.dim);
  if (!spec.extra.empty()) make.Vector(spec.extra, spec.dim);
  if (!spec.rope_divisors.empty()) make.Values("rope_freqs.weight", spec.rope_divisors);
}

}  // namespace

std::vector<uint8_t> MakeRandomModel(const RandomModelSpec& spec) {
  formats::GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  writer.AddUint32("llama.block_count", static_cast<uint32_t>(spec.layers));
  writer.AddUint32("llama.embedding_length", static_cast<uint32_t>(spec.dim));
  writer.AddUint32("llama.feed_forward_length", static_cast<uint32_t>(spec.ffn_dim));
  writer.AddUint32("llama.attention.head_count", static_cast<uint32_t>(spec.q_heads));
  writer.AddUint32("llama.attention.head_count_kv", static_cast<uint32_t>(spec.kv_heads));
  writer.AddUint32("llama.context_length", static_cast<uint32_t>(spec.context_length));
  writer.AddFloat32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  AddTokenizer(spec, writer);
  TensorMaker make(spec, writer);
  AddTensors(spec, make);
  formats::MemorySink sink;
  const absl::Status status = writer.Write(sink);
  if (!status.ok()) throw std::runtime_error(status.ToString());
  return sink.bytes();
}

std::unique_ptr<formats::ModelFile> OpenRandomModel(const RandomModelSpec& spec) {
  absl::StatusOr<std::unique_ptr<formats::ModelFile>> file =
      formats::OpenModelFile(formats::CopyMemory(MakeRandomModel(spec)), nullptr);
  if (!file.ok()) throw std::runtime_error(file.status().ToString());
  return *std::move(file);
}

}  // namespace llmrt::testing
