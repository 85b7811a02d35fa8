// Defaults of the tokenizer keys, what is tolerated, and what is not.
#include "formats/gguf_tokenizer.h"

#include <string>
#include <vector>

#include "tests/formats/gguf_bytes.h"

namespace llmrt::formats {
namespace {

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

GgufWriter Spm() {
  GgufWriter writer;
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddStrings("tokenizer.ggml.tokens", {{"<unk>", "<s>", "</s>", "a"}});
  return writer;
}

GgufWriter Bpe(std::string_view pre) {
  GgufWriter writer;
  writer.AddString("tokenizer.ggml.model", "gpt2");
  if (!pre.empty()) writer.AddString("tokenizer.ggml.pre", pre);
  writer.AddStrings("tokenizer.ggml.tokens", {{"a", "b", "ab"}});
  writer.AddStrings("tokenizer.ggml.merges", {{"a b"}});
  return writer;
}

TokenizerData TokenizerOf(const GgufWriter& writer) {
  const auto model = OpenBytes(Written(writer));
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? (*model)->tokenizer() : TokenizerData();
}

TEST(GgufTokenizerTest, SentencePieceDefaults) {
  const TokenizerData data = TokenizerOf(Spm());
  EXPECT_EQ(data.family, TokenizerFamily::kSentencePiece);
  EXPECT_EQ(data.pre_tokenizer, "default");
  EXPECT_EQ(data.unknown_id, 0);
  EXPECT_EQ(data.bos_id, 1);
  EXPECT_EQ(data.eos_id, 2);
  EXPECT_EQ(data.eot_id, -1);
  EXPECT_EQ(data.pad_id, -1);
  EXPECT_TRUE(data.add_bos);
  EXPECT_FALSE(data.add_eos);
  EXPECT_TRUE(data.add_space_prefix);
  EXPECT_FALSE(data.remove_extra_whitespaces);
  EXPECT_TRUE(data.kinds.empty());
  EXPECT_EQ(data.scores, (std::vector<float>{0, -1, -2, -3}));  // ids ascend as merges do
  EXPECT_EQ(data.chat_template, "");
}

TEST(GgufTokenizerTest, ByteLevelDefaults) {
  const TokenizerData data = TokenizerOf(Bpe("gpt-2"));
  EXPECT_EQ(data.family, TokenizerFamily::kByteLevelBpe);
  EXPECT_EQ(data.model, "gpt2");
  EXPECT_EQ(data.merges, (std::vector<std::string>{"a b"}));
  EXPECT_EQ(data.bos_id, -1);
  EXPECT_EQ(data.eos_id, -1);
  EXPECT_EQ(data.unknown_id, -1);
  EXPECT_FALSE(data.add_bos);
  EXPECT_FALSE(data.add_space_prefix);
  EXPECT_TRUE(data.scores.empty());
}

TEST(GgufTokenizerTest, Llama3VocabulariesStartWithBosByDefault) {
  for (std::string_view name : {"llama-bpe", "llama3", "llama-v3", "falcon3"}) {
    EXPECT_FALSE(TokenizerOf(Bpe(name)).add_bos) << name;  // there is none
    GgufWriter with_bos = Bpe(name);
    with_bos.AddUint32("tokenizer.ggml.bos_token_id", 1);
    EXPECT_TRUE(TokenizerOf(with_bos).add_bos) << name;
  }
  GgufWriter other = Bpe("qwen2");
  other.AddUint32("tokenizer.ggml.bos_token_id", 1);
  EXPECT_FALSE(TokenizerOf(other).add_bos);
  EXPECT_EQ(TokenizerOf(Bpe("")).pre_tokenizer, "default");
  GgufWriter off = Bpe("llama-bpe");
  off.AddUint32("tokenizer.ggml.bos_token_id", 1);
  off.AddBool("tokenizer.ggml.add_bos_token", false);
  EXPECT_FALSE(TokenizerOf(off).add_bos);
}

TEST(GgufTokenizerTest, KeysOverrideEveryDefault) {
  GgufWriter writer = Spm();
  writer.AddUint32("tokenizer.ggml.bos_token_id", 2);
  writer.AddUint32("tokenizer.ggml.eos_token_id", 1);
  writer.AddUint32("tokenizer.ggml.eot_token_id", 3);
  writer.AddUint32("tokenizer.ggml.unknown_token_id", 3);
  writer.AddUint32("tokenizer.ggml.padding_token_id", 0);
  writer.AddBool("tokenizer.ggml.add_bos_token", false);
  writer.AddBool("tokenizer.ggml.add_eos_token", true);
  writer.AddBool("tokenizer.ggml.add_space_prefix", false);
  writer.AddBool("tokenizer.ggml.remove_extra_whitespaces", true);
  writer.AddInt32s("tokenizer.ggml.token_type", {{2, 3, 0, 6}});
  writer.AddFloat32s("tokenizer.ggml.scores", {{0, 0, 0, -7}});
  writer.AddString("tokenizer.chat_template", "{{ x }}");
  const TokenizerData data = TokenizerOf(writer);
  EXPECT_EQ(data.bos_id, 2);
  EXPECT_EQ(data.eos_id, 1);
  EXPECT_EQ(data.eot_id, 3);
  EXPECT_EQ(data.unknown_id, 3);
  EXPECT_EQ(data.pad_id, 0);
  EXPECT_FALSE(data.add_bos);
  EXPECT_TRUE(data.add_eos);
  EXPECT_FALSE(data.add_space_prefix);
  EXPECT_TRUE(data.remove_extra_whitespaces);
  EXPECT_EQ(data.kinds, (std::vector<TokenKind>{TokenKind::kUnknown, TokenKind::kControl,
                                                TokenKind::kNormal, TokenKind::kByte}));
  EXPECT_EQ(data.scores[3], -7.0f);
  EXPECT_EQ(data.chat_template, "{{ x }}");
}

TEST(GgufTokenizerTest, MinusOneMeansNone) {
  GgufWriter writer = Spm();
  writer.AddInt32("tokenizer.ggml.bos_token_id", -1);
  writer.AddUint32("tokenizer.ggml.eos_token_id", 0xffffffff);
  writer.AddUint32("tokenizer.ggml.padding_token_id", 32000);  // outside: none
  const TokenizerData data = TokenizerOf(writer);
  EXPECT_EQ(data.bos_id, -1);
  EXPECT_EQ(data.eos_id, -1);
  EXPECT_EQ(data.pad_id, -1);
}

TEST(GgufTokenizerTest, DefaultIdsOfATinyVocabularyAreNone) {
  GgufWriter writer;
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddStrings("tokenizer.ggml.tokens", {{"a"}});
  const TokenizerData data = TokenizerOf(writer);
  EXPECT_EQ(data.unknown_id, 0);
  EXPECT_EQ(data.bos_id, -1);
  EXPECT_EQ(data.eos_id, -1);
}

TEST(GgufTokenizerTest, ModelWithoutVocabularyHasNone) {
  GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  EXPECT_TRUE(TokenizerOf(writer).tokens.empty());
  writer.AddString("tokenizer.ggml.model", "none");
  writer.AddStrings("tokenizer.ggml.tokens", {{"a"}});
  EXPECT_TRUE(TokenizerOf(writer).tokens.empty());
}

TEST(GgufTokenizerTest, UnknownFamilyKeepsItsNameAndTokens) {
  GgufWriter writer;
  writer.AddString("tokenizer.ggml.model", "rwkv");
  writer.AddStrings("tokenizer.ggml.tokens", {{"a", "b", "c"}});
  writer.AddUint32("tokenizer.ggml.eos_token_id", 70000);  // means what it likes
  const TokenizerData data = TokenizerOf(writer);
  EXPECT_EQ(data.family, TokenizerFamily::kUnsupported);
  EXPECT_EQ(data.model, "rwkv");
  EXPECT_EQ(data.tokens.size(), 3u);
  EXPECT_FALSE(data.add_bos);
}

TEST(GgufTokenizerTest, VocabularyLeavesOnlyItsLengthInTheMetadata) {
  const auto model = OpenBytes(Written(Bpe("qwen2")));
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(ModelFile::ToText(*(*model)->FindMetadata("tokenizer.ggml.tokens")), "[3 values]");
  EXPECT_EQ(ModelFile::ToText(*(*model)->FindMetadata("tokenizer.ggml.merges")), "[1 values]");
}

void Append(const GgufWriter& writer, GgufBytes& file) {
  const std::vector<uint8_t> bytes = Written(writer);
  file.Raw({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Lie SpmLie(std::string_view name, std::function<void(GgufWriter&)> add, std::string_view message) {
  return {name,
          [add = std::move(add)](GgufBytes& f) {
            GgufWriter writer = Spm();
            add(writer);
            Append(writer, f);
          },
          kInvalid, message};
}

TEST(GgufTokenizerTest, ContradictionsAreNamed) {
  const Lie lies[] = {
      SpmLie(
          "types for other tokens",
          [](GgufWriter& w) {
            w.AddInt32s("tokenizer.ggml.token_type", {{1, 1}});
          },
          "token_type\" holds 2 values for 4 tokens"),
      SpmLie(
          "scores for other tokens",
          [](GgufWriter& w) {
            w.AddFloat32s("tokenizer.ggml.scores", {{1, 1, 1, 1, 1}});
          },
          "scores\" holds 5 values for 4 tokens"),
      SpmLie(
          "BOS outside", [](GgufWriter& w) { w.AddUint32("tokenizer.ggml.bos_token_id", 4); },
          "bos_token_id\" is 4; the vocabulary has 4 tokens"),
      SpmLie(
          "EOS of -2", [](GgufWriter& w) { w.AddInt32("tokenizer.ggml.eos_token_id", -2); },
          "eos_token_id\" is -2"),
      SpmLie(
          "unknown of 2^40",
          [](GgufWriter& w) { w.AddUint64("tokenizer.ggml.unknown_token_id", 1ull << 40); },
          "unknown_token_id\" is 1099511627776"),
      SpmLie(
          "id that is text", [](GgufWriter& w) { w.AddString("tokenizer.ggml.bos_token_id", "1"); },
          "bos_token_id\" is 1, not an integer"),
      SpmLie(
          "flag that is a number",
          [](GgufWriter& w) { w.AddUint32("tokenizer.ggml.add_bos_token", 1); },
          "add_bos_token\" is 1, not a boolean"),
      SpmLie(
          "template that is a number",
          [](GgufWriter& w) { w.AddUint32("tokenizer.chat_template", 1); },
          "chat_template\" is 1, not a string"),
      {"model that is a number",
       [](GgufBytes& f) {
         GgufWriter writer;
         writer.AddUint32("tokenizer.ggml.model", 3);
         Append(writer, f);
       },
       kInvalid, "tokenizer.ggml.model\" is 3, not a string"},
      {"byte-level BPE without merges",
       [](GgufBytes& f) {
         GgufWriter writer;
         writer.AddString("tokenizer.ggml.model", "gpt2");
         writer.AddStrings("tokenizer.ggml.tokens", {{"a"}});
         Append(writer, f);
       },
       kInvalid, "tokenizer.ggml.merges\" is missing"},
      {"vocabulary without tokens",
       [](GgufBytes& f) {
         GgufWriter writer;
         writer.AddString("tokenizer.ggml.model", "llama");
         Append(writer, f);
       },
       kInvalid, "tokens\" holds 0 tokens; a vocabulary has 1 to"},
  };
  for (const Lie& lie : lies) ExpectRefused(lie);
}

}  // namespace
}  // namespace llmrt::formats
