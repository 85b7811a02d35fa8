#include "synth/synthetic_model.h"

#include <gtest/gtest.h>

#include <map>

#include "formats/gguf.h"

namespace llmrt::synth {
namespace {

using backend::WeightType;

std::map<std::string, SynthTensor> Tensors(std::string_view shape, std::string_view file_type) {
  std::map<std::string, SynthTensor> tensors;
  for (SynthTensor& tensor : ListTensors(*FindShape(shape), *FindFileType(file_type))) {
    tensors[tensor.name] = tensor;
  }
  return tensors;
}

int64_t TotalBytes(std::string_view shape, std::string_view file_type) {
  int64_t total = 0;
  for (const auto& [name, tensor] : Tensors(shape, file_type)) total += tensor.bytes();
  return total;
}

int64_t Parameters(std::string_view shape) { return TotalBytes(shape, "f32") / 4; }

TEST(ListTensorsTest, ParametersAreThoseOfTheRealModels) {
  // Published counts; qwen's has 24 x (896 + 2 x 128) biases more, which the architecture lacks.
  EXPECT_EQ(Parameters("smollm2-135m"), 134515008);
  EXPECT_EQ(Parameters("qwen2.5-0.5b"), 494032768 - 24 * (896 + 2 * 128));
  EXPECT_EQ(Parameters("llama-3.2-1b"), 1235814400);
  EXPECT_EQ(Parameters("llama-3.1-8b"), 8030261248);
}

TEST(ListTensorsTest, BytesAreThoseOfLlamaCppsFiles) {
  // Sizes of such files less their vocabularies of some megabytes.
  EXPECT_NEAR(static_cast<double>(TotalBytes("llama-3.2-1b", "q4_0")), 0.765e9, 0.005e9);
  EXPECT_NEAR(static_cast<double>(TotalBytes("llama-3.2-1b", "q4_k_m")), 0.80e9, 0.005e9);
  EXPECT_NEAR(static_cast<double>(TotalBytes("llama-3.2-1b", "q8_0")), 1.313e9, 0.005e9);
  EXPECT_NEAR(static_cast<double>(TotalBytes("llama-3.1-8b", "q4_k_m")), 4.91e9, 0.02e9);
}

TEST(ListTensorsTest, ATiedModelHasNoOutputMatrix) {
  EXPECT_EQ(Tensors("llama-3.2-1b", "q4_0").count("output.weight"), 0u);
  EXPECT_EQ(Tensors("llama-3.1-8b", "q4_0").count("output.weight"), 1u);
}

TEST(ListTensorsTest, NormsAreF32) {
  for (const FileType& file_type : FileTypes()) {
    for (const auto& [name, tensor] : Tensors("tiny", file_type.name)) {
      EXPECT_TRUE(!tensor.is_norm() || tensor.type == WeightType::kF32) << name;
    }
  }
}

TEST(ListTensorsTest, AWidthOf896FallsBack) {
  auto tensors = Tensors("qwen2.5-0.5b", "q4_k_m");
  EXPECT_EQ(tensors["token_embd.weight"].type, WeightType::kQ8_0);
  EXPECT_EQ(tensors["blk.4.attn_q.weight"].type, WeightType::kQ5_0);
  EXPECT_EQ(tensors["blk.0.attn_v.weight"].type, WeightType::kQ8_0);
  // 4864 is 19 blocks of 256: the down projection keeps the mix.
  EXPECT_EQ(tensors["blk.0.ffn_down.weight"].type, WeightType::kQ6_K);
  EXPECT_EQ(tensors["blk.3.ffn_down.weight"].type, WeightType::kQ4_K);
}

TEST(ListTensorsTest, EveryMixOfEveryShapeHasWholeBlocks) {
  for (const ModelShape& shape : Shapes()) {
    for (const FileType& file_type : FileTypes()) {
      for (const SynthTensor& tensor : ListTensors(shape, file_type)) {
        EXPECT_GT(tensor.bytes(), 0) << shape.name << " " << file_type.name << " " << tensor.name;
      }
    }
  }
}

std::vector<uint8_t> Write(std::string_view file_type, uint64_t seed) {
  formats::MemorySink sink;
  EXPECT_TRUE(
      WriteSyntheticModel(*FindShape("tiny"), *FindFileType(file_type), seed, nullptr, sink).ok());
  return sink.bytes();
}

TEST(WriteSyntheticModelTest, TheFileSaysWhatTheShapeSays) {
  const std::vector<uint8_t> bytes = Write("q4_k_m", 1);
  const auto file = formats::OpenGguf(formats::BorrowMemory(bytes), nullptr);
  ASSERT_TRUE(file.ok()) << file.status();
  const ModelShape& shape = *FindShape("tiny");
  const auto number = [&](const char* key) { return (*file)->GetInt(key, -1).value_or(-2); };
  EXPECT_EQ((*file)->GetString("general.architecture", "").value_or(""), "llama");
  EXPECT_EQ(number("general.file_type"), 15);
  EXPECT_EQ(number("llama.embedding_length"), shape.width);
  EXPECT_EQ(number("llama.block_count"), shape.layers);
  EXPECT_EQ(number("llama.feed_forward_length"), shape.ffn_width);
  EXPECT_EQ(number("llama.attention.head_count"), shape.q_heads);
  EXPECT_EQ(number("llama.attention.head_count_kv"), shape.kv_heads);
  EXPECT_EQ(number("llama.rope.dimension_count"), shape.head_dim());
  EXPECT_EQ(number("llama.context_length"), shape.context_length);
  EXPECT_EQ((*file)->tokenizer().tokens.size(), static_cast<size_t>(shape.vocab_size));
  const std::vector<SynthTensor> tensors = ListTensors(shape, *FindFileType("q4_k_m"));
  ASSERT_EQ((*file)->tensors().size(), tensors.size());
  for (const SynthTensor& tensor : tensors) {
    const formats::TensorInfo* found = (*file)->FindTensor(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->type, tensor.type) << tensor.name;
    EXPECT_EQ(found->bytes, tensor.bytes()) << tensor.name;
  }
}

TEST(WriteSyntheticModelTest, SeedsDecideTheBytes) {
  const std::vector<uint8_t> bytes = Write("q5_1", 1);
  EXPECT_EQ(Write("q5_1", 1), bytes);
  EXPECT_NE(Write("q5_1", 2), bytes);
}

TEST(WriteSyntheticModelTest, ProgressRisesToOneAndCanEndTheWriting) {
  formats::MemorySink sink;
  double last = 0;
  const auto watch = [&](double fraction) {
    EXPECT_GT(fraction, last);
    last = fraction;
    return absl::OkStatus();
  };
  const FileType& type = *FindFileType("q8_0");
  EXPECT_TRUE(WriteSyntheticModel(*FindShape("tiny"), type, 0, watch, sink).ok());
  EXPECT_EQ(last, 1);
  const auto stop = [](double) { return absl::CancelledError("enough"); };
  EXPECT_EQ(WriteSyntheticModel(*FindShape("tiny"), type, 0, stop, sink).message(), "enough");
}

}  // namespace
}  // namespace llmrt::synth
