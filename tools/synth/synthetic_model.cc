#include "synth/synthetic_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "formats/gguf_writer.h"
#include "synth/filler_vocabulary.h"
#include "synth/random_blocks.h"

namespace llmrt::synth {
namespace {

using backend::WeightType;
using formats::ByteSink;
using formats::GgufWriter;

// Bytes made at a time, about: rounded down to whole groups of blocks.
constexpr int64_t kPieceBytes = int64_t{1} << 20;

// Builds the list: what all matrices of a file have in common stands here.
class TensorList {
 public:
  TensorList(const ModelShape& shape, const FileType& file_type)
      : shape_(shape), file_type_(file_type) {}

  void Norm(std::string name) {
    tensors_.push_back({std::move(name), WeightType::kF32, {shape_.width}});
  }

  void Matrix(std::string name, int64_t cols, int64_t rows, TensorRole role, int32_t layer = 0) {
    const TensorPlace place = {.role = role,
                               .cols = cols,
                               .layer = layer,
                               .num_layers = shape_.layers,
                               .tied = shape_.tied};
    tensors_.push_back({std::move(name), TypeOfMatrix(file_type_, place), {cols, rows}});
  }

  void Layer(int32_t layer) {
    const std::string prefix = absl::StrCat("blk.", layer, ".");
    const int64_t width = shape_.width;
    Norm(prefix + "attn_norm.weight");
    Matrix(prefix + "attn_q.weight", width, width, TensorRole::kOther, layer);
    Matrix(prefix + "attn_k.weight", width, shape_.kv_width(), TensorRole::kOther, layer);
    Matrix(prefix + "attn_v.weight", width, shape_.kv_width(), TensorRole::kAttentionV, layer);
    Matrix(prefix + "attn_output.weight", width, width, TensorRole::kOther, layer);
    Norm(prefix + "ffn_norm.weight");
    Matrix(prefix + "ffn_gate.weight", width, shape_.ffn_width, TensorRole::kOther, layer);
    Matrix(prefix + "ffn_up.weight", width, shape_.ffn_width, TensorRole::kOther, layer);
    Matrix(prefix + "ffn_down.weight", shape_.ffn_width, width, TensorRole::kFfnDown, layer);
  }

  std::vector<SynthTensor> Take() { return std::move(tensors_); }

 private:
  const ModelShape& shape_;
  const FileType& file_type_;
  std::vector<SynthTensor> tensors_;
};

void AddMetadata(const ModelShape& shape, const FileType& file_type, uint64_t seed,
                 GgufWriter& writer) {
  const auto number = [&](std::string_view key, int64_t value) {
    writer.AddUint32(absl::StrCat("llama.", key), static_cast<uint32_t>(value));
  };
  writer.AddString("general.architecture", "llama");
  writer.AddString("general.name", absl::StrCat("random ", shape.name, ", seed ", seed));
  writer.AddUint32("general.file_type", file_type.number);
  writer.AddUint32("general.quantization_version", 2);
  number("context_length", shape.context_length);
  number("embedding_length", shape.width);
  number("block_count", shape.layers);
  number("feed_forward_length", shape.ffn_width);
  number("attention.head_count", shape.q_heads);
  number("attention.head_count_kv", shape.kv_heads);
  number("rope.dimension_count", shape.head_dim());
  number("vocab_size", shape.vocab_size);
  writer.AddFloat32("llama.rope.freq_base", static_cast<float>(shape.rope_base));
  writer.AddFloat32("llama.attention.layer_norm_rms_epsilon",
                    static_cast<float>(shape.norm_epsilon));
}

void AddTokenizer(const ModelShape& shape, GgufWriter& writer) {
  const FillerVocabulary vocabulary = MakeFillerVocabulary(shape.vocab_size);
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddStrings("tokenizer.ggml.tokens", vocabulary.tokens);
  writer.AddFloat32s("tokenizer.ggml.scores", vocabulary.scores);
  writer.AddInt32s("tokenizer.ggml.token_type", vocabulary.kinds);
  writer.AddUint32("tokenizer.ggml.unknown_token_id", 0);
  writer.AddUint32("tokenizer.ggml.bos_token_id", 1);
  writer.AddUint32("tokenizer.ggml.eos_token_id", 2);
  writer.AddBool("tokenizer.ggml.add_bos_token", true);
}

// Counts bytes over all tensors for whoever watches.
struct Meter {
  const Progress* progress;
  int64_t total = 0;
  int64_t done = 0;

  absl::Status Add(int64_t bytes) {
    done += bytes;
    return *progress ? (*progress)(static_cast<double>(done) / static_cast<double>(total))
                     : absl::OkStatus();
  }
};

absl::Status WriteNorm(uint64_t seed, uint32_t index, const SynthTensor& tensor, ByteSink& sink) {
  std::vector<float> values(static_cast<size_t>(tensor.dims[0]));
  FillNorm(seed, index, absl::MakeSpan(values));
  return sink.Append(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(values.data()),
                                         values.size() * sizeof(float)));
}

absl::Status WriteMatrix(uint64_t seed, uint32_t index, const SynthTensor& tensor, Meter& meter,
                         ByteSink& sink) {
  RandomBlocks blocks(tensor.type, tensor.dims[0], seed, index);
  // Eight values are a group of plain floats, see RandomBlocks::Fill.
  const int64_t group = int64_t{8} * backend::GeometryOf(tensor.type).bytes;
  std::vector<uint8_t> piece(static_cast<size_t>(kPieceBytes / group * group));
  for (int64_t left = tensor.bytes(); left > 0;) {
    const int64_t count = std::min(left, static_cast<int64_t>(piece.size()));
    const absl::Span<uint8_t> part = absl::MakeSpan(piece).subspan(0, static_cast<size_t>(count));
    blocks.Fill(part);
    absl::Status status = sink.Append(part);
    if (status.ok()) status = meter.Add(count);
    if (!status.ok()) return status;
    left -= count;
  }
  return absl::OkStatus();
}

}  // namespace

int64_t SynthTensor::bytes() const {
  int64_t bytes = backend::RowBytes(type, dims[0]).value_or(0);
  for (size_t i = 1; i < dims.size(); ++i) bytes *= dims[i];
  return bytes;
}

std::vector<SynthTensor> ListTensors(const ModelShape& shape, const FileType& file_type) {
  TensorList list(shape, file_type);
  list.Matrix("token_embd.weight", shape.width, shape.vocab_size, TensorRole::kEmbedding);
  for (int32_t layer = 0; layer < shape.layers; ++layer) list.Layer(layer);
  list.Norm("output_norm.weight");
  if (!shape.tied) {
    list.Matrix("output.weight", shape.width, shape.vocab_size, TensorRole::kOutput);
  }
  return list.Take();
}

absl::Status WriteSyntheticModel(const ModelShape& shape, const FileType& file_type, uint64_t seed,
                                 const Progress& progress, ByteSink& sink) {
  GgufWriter writer;
  AddMetadata(shape, file_type, seed, writer);
  AddTokenizer(shape, writer);
  const std::vector<SynthTensor> tensors = ListTensors(shape, file_type);
  Meter meter = {.progress = &progress};
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const SynthTensor& tensor = tensors[i];
    if (!tensor.is_norm()) meter.total += tensor.bytes();
    const absl::Status status =
        writer.AddTensor(tensor.name, tensor.type, tensor.dims, [&, i](ByteSink& out) {
          return tensors[i].is_norm() ? WriteNorm(seed, i, tensors[i], out)
                                      : WriteMatrix(seed, i, tensors[i], meter, out);
        });
    if (!status.ok()) return status;
  }
  return writer.Write(sink);
}

}  // namespace llmrt::synth
