// Every real file of the shared folder opens and says what its README says.
#include <cctype>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/shared_files.h"

namespace llmrt::formats {
namespace {

struct Expected {
  std::string_view path;
  std::string_view architecture;
  size_t num_tensors;
  size_t num_keys;
  size_t num_tokens;
  size_t num_merges;
  int32_t bos_id;
  int32_t eos_id;
  bool add_bos;
  std::string_view pre_tokenizer;
};

constexpr Expected kFiles[] = {
    {"models/stories260K-f32", "llama", 47, 27, 512, 0, 1, 2, true, "default"},
    {"models/tinystories-1.4M-f16", "llama", 47, 28, 4096, 0, 1, 2, true, "default"},
    {"models/tinystories-1.4M-q8_0", "llama", 47, 28, 4096, 0, 1, 2, true, "default"},
    {"models/tinystories-3.8M-f16", "llama", 56, 28, 4096, 0, 1, 2, true, "default"},
    {"models/tinystories-3.8M-q4_0", "llama", 56, 28, 4096, 0, 1, 2, true, "default"},
    {"models/tinystories-3.8M-q4_k_m", "llama", 56, 28, 4096, 0, 1, 2, true, "default"},
    {"models/tinystories-3.8M-q6_k", "llama", 56, 28, 4096, 0, 1, 2, true, "default"},
    {"models/tinystories-3.8M-q8_0", "llama", 56, 28, 4096, 0, 1, 2, true, "default"},
    {"tokenizers/gpt-2", "gpt2", 0, 16, 50257, 50000, 50256, 50256, false, "gpt-2"},
    {"tokenizers/llama-bpe", "llama", 0, 11, 128256, 127066, 128000, 128009, true, "llama-bpe"},
    {"tokenizers/llama-spm", "llama", 0, 22, 32000, 0, 1, 2, true, "default"},
    {"tokenizers/phi-3", "phi3", 0, 26, 32064, 0, 1, 32000, true, "default"},
    {"tokenizers/qwen2", "qwen2", 0, 10, 151646, 151387, -1, 151645, false, "qwen2"},
    {"tokenizers/starcoder", "starcoder2", 0, 19, 49152, 48872, 0, 0, false, "starcoder"},
};

class SharedFilesTest : public ::testing::TestWithParam<Expected> {
 protected:
  void SetUp() override {
    path_ = testing::SharedFile(std::string(GetParam().path) + ".gguf");
    testing::SkipWithoutFile(path_);
  }
  std::string path_;
};

TEST_P(SharedFilesTest, OpensWithTheExpectedContents) {
  const Expected& expected = GetParam();
  for (bool use_mmap : {false, true}) {
    const auto model = OpenModelFile(*OpenFile({.path = path_, .use_mmap = use_mmap}), nullptr);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->format(), "GGUF v3");
    EXPECT_EQ(*(*model)->GetString("general.architecture", ""), expected.architecture);
    EXPECT_EQ((*model)->tensors().size(), expected.num_tensors);
    EXPECT_EQ((*model)->metadata().size(), expected.num_keys);
    const TokenizerData& tokenizer = (*model)->tokenizer();
    EXPECT_EQ(tokenizer.tokens.size(), expected.num_tokens);
    EXPECT_EQ(tokenizer.kinds.size(), expected.num_tokens);
    EXPECT_EQ(tokenizer.merges.size(), expected.num_merges);
    EXPECT_EQ(tokenizer.scores.size(), expected.num_merges == 0 ? expected.num_tokens : 0);
    EXPECT_EQ(tokenizer.bos_id, expected.bos_id);
    EXPECT_EQ(tokenizer.eos_id, expected.eos_id);
    EXPECT_EQ(tokenizer.add_bos, expected.add_bos);
    EXPECT_EQ(tokenizer.pre_tokenizer, expected.pre_tokenizer);
    EXPECT_EQ(tokenizer.chat_template.empty(), expected.path != "tokenizers/phi-3");
  }
}

TEST_P(SharedFilesTest, EveryTensorCanBeRead) {
  const auto model = OpenModelFile(*OpenFile({.path = path_}), nullptr);
  ASSERT_TRUE(model.ok()) << model.status();
  for (const TensorInfo& tensor : (*model)->tensors()) {
    std::vector<uint8_t> out(tensor.bytes);
    ASSERT_TRUE((*model)->ReadTensor(tensor, 0, absl::MakeSpan(out)).ok()) << tensor.name;
  }
}

// Copying all metadata and tensors gives a model with the same tensors and the same tokenizer.
TEST_P(SharedFilesTest, CopyThroughTheWriterSaysTheSame) {
  const auto model = OpenModelFile(*OpenFile({.path = path_}), nullptr);
  ASSERT_TRUE(model.ok()) << model.status();
  GgufWriter writer;
  ASSERT_TRUE(writer.AddMetadataOf(**model).ok());
  for (const TensorInfo& tensor : (*model)->tensors()) {
    std::vector<uint8_t> bytes(tensor.bytes);
    ASSERT_TRUE((*model)->ReadTensor(tensor, 0, absl::MakeSpan(bytes)).ok());
    ASSERT_TRUE(writer
                    .AddTensor(tensor.name, tensor.type,
                               absl::MakeConstSpan(tensor.dims, tensor.num_dims), bytes)
                    .ok());
  }
  const auto copy = OpenBytes(Written(writer));
  ASSERT_TRUE(copy.ok()) << copy.status();
  // Our writer narrows numbers as the field does, so even the header's bytes come out the same.
  EXPECT_EQ((*copy)->header_hash(), (*model)->header_hash());
}

INSTANTIATE_TEST_SUITE_P(Files, SharedFilesTest, ::testing::ValuesIn(kFiles), [](const auto& info) {
  std::string name(info.param.path);
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
});

}  // namespace
}  // namespace llmrt::formats
