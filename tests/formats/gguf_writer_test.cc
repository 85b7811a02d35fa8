// What is written reads back: values of every kind, tensors of every type, other files' metadata.
#include "formats/gguf_writer.h"

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "quant/dequantize.h"
#include "quant/quantize.h"
#include "tests/formats/gguf_bytes.h"

namespace llmrt::formats {
namespace {

using backend::WeightType;
using ::testing::HasSubstr;

TEST(GgufWriterTest, ScalarsOfEveryTypeReadBack) {
  GgufWriter writer;
  writer.AddBool("bool", true);
  writer.AddUint16("u16", 65535);
  writer.AddUint32("u32", 0xffffffff);
  writer.AddInt32("i32", -7);
  writer.AddUint64("u64", ~0ull);
  writer.AddInt64("i64", INT64_MIN);
  writer.AddFloat32("f32", 0.25f);
  writer.AddFloat64("f64", 0.1);
  writer.AddString("string", "x");
  writer.AddStrings("strings", std::vector<std::string>{"a", ""});
  writer.AddInt32s("i32s", {{1, -1}});
  writer.AddFloat32s("f32s", {{0.5f}});
  writer.AddRaw("raw", GgufValueType::kInt8, "\xff");
  const auto model = OpenBytes(Written(writer));
  ASSERT_TRUE(model.ok()) << model.status();
  std::string all;
  for (const MetadataEntry& entry : (*model)->metadata()) {
    all += entry.key + "=" + ModelFile::ToText(entry.value) + ";";
  }
  EXPECT_EQ(all,
            "bool=true;u16=65535;u32=4294967295;i32=-7;u64=18446744073709551615;"
            "i64=-9223372036854775808;f32=0.25;f64=0.1;string=x;strings=[\"a\", \"\"];i32s=[1, -1];"
            "f32s=[0.5];raw=-1;");
}

TEST(GgufWriterTest, TensorsOfEveryTypeReadBackBitForBit) {
  for (int64_t alignment : {8, 32, 4096}) {
    GgufWriter writer(alignment);
    std::mt19937 random(5);
    std::vector<std::vector<uint8_t>> contents;
    for (int i = 0; i < backend::kWeightTypeCount; ++i) {
      const auto type = static_cast<WeightType>(i);
      std::vector<uint8_t> bytes(3 * *backend::RowBytes(type, 256));
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
      contents.push_back(bytes);
      ASSERT_TRUE(writer.AddTensor(backend::GeometryOf(type).name, type, {256, 3}, bytes).ok());
    }
    const auto model = OpenBytes(Written(writer));
    ASSERT_TRUE(model.ok()) << model.status();
    for (int i = 0; i < backend::kWeightTypeCount; ++i) {
      const TensorInfo& tensor = (*model)->tensors()[i];
      EXPECT_EQ(tensor.type, static_cast<WeightType>(i));
      EXPECT_EQ(tensor.offset % alignment, 0);
      std::vector<uint8_t> out(tensor.bytes);
      ASSERT_TRUE((*model)->ReadTensor(tensor, 0, absl::MakeSpan(out)).ok());
      EXPECT_EQ(out, contents[i]);
    }
  }
}

TEST(GgufWriterTest, QuantizedRowsSurviveTheFile) {
  std::vector<float> values(256);
  for (int i = 0; i < 256; ++i) values[i] = static_cast<float>(i - 128) / 128;
  std::vector<uint8_t> row(*backend::RowBytes(WeightType::kQ6_K, 256));
  ASSERT_TRUE(quant::QuantizeRow(WeightType::kQ6_K, values, absl::MakeSpan(row)).ok());
  GgufWriter writer;
  ASSERT_TRUE(writer.AddTensor("w", WeightType::kQ6_K, {256}, row).ok());
  const auto model = OpenBytes(Written(writer));
  ASSERT_TRUE(model.ok());
  ASSERT_TRUE((*model)->ReadTensor(*(*model)->FindTensor("w"), 0, absl::MakeSpan(row)).ok());
  std::vector<float> out(256);
  ASSERT_TRUE(quant::DequantizeRow(WeightType::kQ6_K, row, absl::MakeSpan(out)).ok());
  for (int i = 0; i < 256; ++i) EXPECT_NEAR(out[i], values[i], 0.05);
}

TEST(GgufWriterTest, ShapesKeepTheirDimensions) {
  GgufWriter writer;
  const std::vector<uint8_t> data(4 * 2 * 3 * 5 * 7);
  ASSERT_TRUE(writer.AddTensor("a", WeightType::kF32, {2, 3, 5, 7}, data).ok());
  const auto model = OpenBytes(Written(writer));
  const TensorInfo& tensor = *(*model)->FindTensor("a");
  EXPECT_EQ(tensor.num_dims, 4);
  EXPECT_EQ(std::vector<int64_t>(tensor.dims, tensor.dims + 4), (std::vector<int64_t>{2, 3, 5, 7}));
}

TEST(GgufWriterTest, ImpossibleShapesAreRefused) {
  GgufWriter writer;
  const auto code = [&](WeightType type, const std::vector<int64_t>& dims) {
    return writer.AddTensor("t", type, dims, std::vector<uint8_t>()).code();
  };
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code(WeightType::kF32, {}), invalid);
  EXPECT_EQ(code(WeightType::kF32, {1, 1, 1, 1, 1}), invalid);
  EXPECT_EQ(code(WeightType::kF32, {0}), invalid);
  EXPECT_EQ(code(WeightType::kF32, {-4, 2}), invalid);
  EXPECT_EQ(code(WeightType::kF32, {4, -2}), invalid);
  EXPECT_EQ(code(WeightType::kF32, {int64_t{1} << 40, int64_t{1} << 40}), invalid);
  EXPECT_EQ(code(WeightType::kQ8_0, {33}), invalid);
  EXPECT_EQ(GgufWriter(12).Write(*std::make_unique<MemorySink>()).code(), invalid);
}

TEST(GgufWriterTest, TensorThatWritesTheWrongAmountIsNamed) {
  for (size_t bytes : {0, 7, 9}) {
    GgufWriter writer;
    ASSERT_TRUE(writer.AddTensor("t", WeightType::kF32, {2}, std::vector<uint8_t>(bytes)).ok());
    MemorySink sink;
    const absl::Status status = writer.Write(sink);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(status.message(), HasSubstr("tensor \"t\" has 8 bytes and"));
  }
}

TEST(GgufWriterTest, TensorInPiecesAndFailingTensorPassThrough) {
  GgufWriter writer;
  ASSERT_TRUE(writer
                  .AddTensor("t", WeightType::kF32, {2},
                             [](ByteSink& sink) {
                               for (uint8_t i = 0; i < 8; ++i) {
                                 if (absl::Status status = sink.Append({{i}}); !status.ok())
                                   return status;
                               }
                               return absl::OkStatus();
                             })
                  .ok());
  EXPECT_TRUE(OpenBytes(Written(writer)).ok());
  ASSERT_TRUE(writer
                  .AddTensor("u", WeightType::kF32, {2},
                             [](ByteSink&) { return absl::UnavailableError("gone"); })
                  .ok());
  MemorySink sink;
  EXPECT_EQ(writer.Write(sink).code(), absl::StatusCode::kUnavailable);
}

TEST(GgufWriterTest, MetadataOfAnotherFileIsCopied) {
  GgufWriter original(64);
  original.AddUint64("small", 5);
  original.AddUint64("large", ~0ull);
  original.AddInt64("negative", -1);
  original.AddInt64("low", INT64_MIN);
  original.AddFloat64("narrow", 0.5);
  original.AddFloat64("wide", 0.1);
  original.AddBool("flag", true);
  original.AddRaw("wides", GgufValueType::kArray,
                  std::string("\x0a\0\0\0\x01\0\0\0\0\0\0\0"
                              "\0\0\0\0\x01\0\0\0",
                              20));
  original.AddRaw("reals", GgufValueType::kArray,
                  std::string("\x0c\0\0\0\x01\0\0\0\0\0\0\0"
                              "\x9a\x99\x99\x99\x99\x99\xb9\x3f",
                              20));
  original.AddString("tokenizer.ggml.model", "llama");
  original.AddStrings("tokenizer.ggml.tokens", {{"<unk>", "<s>", "</s>"}});
  original.AddFloat32s("tokenizer.ggml.scores", {{0, -1, -2}});
  original.AddInt32s("tokenizer.ggml.token_type", {{2, 3, 3}});
  const auto first = OpenBytes(Written(original));
  ASSERT_TRUE(first.ok()) << first.status();
  GgufWriter copy;
  ASSERT_TRUE(copy.AddMetadataOf(**first, {"flag"}).ok());
  const auto second = OpenBytes(Written(copy));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->FindMetadata("flag"), nullptr);
  EXPECT_EQ((*second)->FindMetadata("general.alignment"), nullptr);
  for (std::string_view key : {"small", "large", "negative", "low", "narrow", "wide", "wides",
                               "reals", "tokenizer.ggml.model", "tokenizer.ggml.tokens"}) {
    ASSERT_NE((*second)->FindMetadata(key), nullptr) << key;
    EXPECT_EQ(ModelFile::ToText(*(*second)->FindMetadata(key)),
              ModelFile::ToText(*(*first)->FindMetadata(key)));
  }
  EXPECT_EQ((*second)->tokenizer().tokens, (*first)->tokenizer().tokens);
  EXPECT_EQ((*second)->tokenizer().scores, (*first)->tokenizer().scores);
  EXPECT_EQ((*second)->tokenizer().kinds, (*first)->tokenizer().kinds);
}

TEST(GgufWriterTest, ArrayThatWasNotKeptCannotBeCopied) {
  GgufWriter original;
  original.AddInt32s("big", std::vector<int32_t>(20000));
  const auto file = OpenBytes(Written(original));
  ASSERT_TRUE(file.ok());
  GgufWriter copy;
  const absl::Status status = copy.AddMetadataOf(**file);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("key \"big\" is an array of 20000 values"));
  EXPECT_TRUE(GgufWriter().AddMetadataOf(**file, {"big"}).ok());
}

}  // namespace
}  // namespace llmrt::formats
