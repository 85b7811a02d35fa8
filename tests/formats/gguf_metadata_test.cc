// Every kind of value, and every way in which the key-value section can lie.
#include "formats/gguf_metadata.h"

#include <limits>
#include <string>
#include <vector>

#include "tests/formats/gguf_bytes.h"

namespace llmrt::formats {
namespace {

using Type = GgufValueType;
constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;

TEST(GgufMetadataTest, ScalarsKeepSignAndKind) {
  GgufBytes file;
  file.Header(0, 12);
  file.Key("u8", Type::kUint8).U8(200).Key("i8", Type::kInt8).U8(0xff);
  file.Key("u16", Type::kUint16).U16(65535).Key("i16", Type::kInt16).U16(0x8000);
  file.Key("u32", Type::kUint32).U32(0xffffffff).Key("i32", Type::kInt32).U32(0x80000000);
  file.Key("u64", Type::kUint64).U64(~0ull).Key("i64", Type::kInt64).U64(1ull << 63);
  file.Key("f32", Type::kFloat32).F32(0.5f).Key("f64", Type::kFloat64).F64(0.1);
  file.Key("bool", Type::kBool).U8(1).Key("str", Type::kString).Text("h\xc3\xa9");
  const auto model = OpenBytes(file.bytes());
  ASSERT_TRUE(model.ok()) << model.status();
  const auto value = [&](std::string_view key) { return *(*model)->FindMetadata(key); };
  EXPECT_EQ(value("u8"), MetadataValue(uint64_t{200}));
  EXPECT_EQ(value("i8"), MetadataValue(int64_t{-1}));
  EXPECT_EQ(value("u16"), MetadataValue(uint64_t{65535}));
  EXPECT_EQ(value("i16"), MetadataValue(int64_t{-32768}));
  EXPECT_EQ(value("u32"), MetadataValue(uint64_t{0xffffffff}));
  EXPECT_EQ(value("i32"), MetadataValue(int64_t{std::numeric_limits<int32_t>::min()}));
  EXPECT_EQ(value("u64"), MetadataValue(std::numeric_limits<uint64_t>::max()));
  EXPECT_EQ(value("i64"), MetadataValue(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(value("f32"), MetadataValue(0.5));
  EXPECT_EQ(value("f64"), MetadataValue(0.1));
  EXPECT_EQ(value("bool"), MetadataValue(true));
  EXPECT_EQ(value("str"), MetadataValue(std::string("h\xc3\xa9")));
  EXPECT_EQ((*model)->metadata()[10].key, "bool");
}

TEST(GgufMetadataTest, ArraysOfEveryTypeAreKept) {
  GgufBytes file;
  file.Header(0, 13);
  file.Array("u8", Type::kUint8, 2).U8(1).U8(255).Array("i8", Type::kInt8, 1).U8(0xfe);
  file.Array("u16", Type::kUint16, 1).U16(65535).Array("i16", Type::kInt16, 1).U16(0xffff);
  file.Array("u32", Type::kUint32, 1).U32(0xffffffff).Array("i32", Type::kInt32, 1).U32(~0u);
  file.Array("u64", Type::kUint64, 1).U64(5).Array("i64", Type::kInt64, 1).U64(~0ull);
  file.Array("f32", Type::kFloat32, 1).F32(1.5f).Array("f64", Type::kFloat64, 1).F64(0.1);
  file.Array("bool", Type::kBool, 2).U8(1).U8(0).Array("str", Type::kString, 2).Text("").Text("x");
  file.Array("empty", Type::kUint32, 0);
  const auto model = OpenBytes(file.bytes());
  ASSERT_TRUE(model.ok()) << model.status();
  const auto text = [&](std::string_view key) {
    return ModelFile::ToText(*(*model)->FindMetadata(key));
  };
  EXPECT_EQ(text("u8"), "[1, 255]");
  EXPECT_EQ(text("i8"), "[-2]");
  EXPECT_EQ(text("u16"), "[65535]");
  EXPECT_EQ(text("i16"), "[-1]");
  EXPECT_EQ(text("u32"), "[4294967295]");
  EXPECT_EQ(text("i32"), "[-1]");
  EXPECT_EQ(text("u64"), "[5]");
  EXPECT_EQ(text("i64"), "[-1]");
  EXPECT_EQ(text("f32"), "[1.5]");
  EXPECT_EQ(text("f64"), "[0.1]");
  EXPECT_EQ(text("bool"), "[1, 0]");
  EXPECT_EQ(text("str"), "[\"\", \"x\"]");
  EXPECT_EQ(text("empty"), "[]");
}

TEST(GgufMetadataTest, LargeArraysStayAsTheirLength) {
  GgufBytes file;
  file.Header(0, 3).Array("kept", Type::kUint8, kKeptArrayMax).Zeros(kKeptArrayMax);
  file.Array("numbers", Type::kInt16, kKeptArrayMax + 1).Zeros(2 * (kKeptArrayMax + 1));
  file.Array("texts", Type::kString, kKeptArrayMax + 1);
  for (uint64_t i = 0; i <= kKeptArrayMax; ++i) file.Text("ab");
  const auto model = OpenBytes(file.bytes());
  ASSERT_TRUE(model.ok()) << model.status();
  const auto& kept = std::get<std::vector<int64_t>>(*(*model)->FindMetadata("kept"));
  EXPECT_EQ(kept.size(), kKeptArrayMax);
  for (std::string_view key : {"numbers", "texts"}) {
    EXPECT_EQ(std::get<OmittedArray>(*(*model)->FindMetadata(key)).length,
              static_cast<int64_t>(kKeptArrayMax) + 1);
  }
}

TEST(GgufMetadataTest, KeysEndAtALimitBeforeAnyIsRead) {
  const auto keys = [](uint64_t count) {
    return [count](GgufBytes& f) {
      f.Header(0, count);
      for (uint64_t i = 0; i < count; ++i) f.Key(std::to_string(i), Type::kUint8).U8(1);
    };
  };
  GgufBytes most;
  keys(kGgufKeysMax)(most);
  const auto model = OpenBytes(most.bytes());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->metadata().size(), kGgufKeysMax);
  // At byte 24 nothing but the fixed header was read.
  ExpectRefused({"one more", keys(kGgufKeysMax + 1), kDataLoss,
                 "number of metadata keys is 65537; the limit is 65536 .at byte 24.; download"});
}

TEST(GgufMetadataTest, ArraysEndAtALimitBeforeAnyElementIsRead) {
  for (const char* key : {"k", "tokenizer.ggml.token_type"}) {
    const auto array = [key](uint64_t count) {
      return [=](GgufBytes& f) { f.Header(0, 1).Array(key, Type::kUint8, count).Zeros(count); };
    };
    GgufBytes most;
    array(kGgufElementsMax)(most);
    EXPECT_TRUE(OpenBytes(most.bytes()).ok()) << key;
    ExpectRefused({"one more", array(kGgufElementsMax + 1), kDataLoss,
                   "array length of key \".*\" is 16777217; the limit is 16777216 .*; download"});
  }
}

TEST(GgufMetadataTest, LiesAboutKeysAndScalars) {
  const Lie lies[] = {
      {"more keys than bytes", [](GgufBytes& f) { f.Header(0, 1000).Zeros(100); }, kDataLoss,
       "number of metadata keys is 1000; the 100 bytes left hold at most 7"},
      {"2^64 - 1 keys", [](GgufBytes& f) { f.Header(0, ~0ull).Zeros(100); }, kDataLoss,
       "keys is 18446744073709551615; .* at most 7"},
      {"fewer entries than keys",
       [](GgufBytes& f) { f.Header(0, 2).Key("abcdefghijklmnop", Type::kUint8).U8(1); }, kDataLoss,
       "a metadata key takes 8 bytes and 0 are left"},
      {"key without a name", [](GgufBytes& f) { f.Header(0, 1).Key("", Type::kUint32).Zeros(40); },
       kDataLoss, "metadata key has length 0"},
      {"key of 65536 bytes",
       [](GgufBytes& f) { f.Header(0, 1).Key(std::string(65536, 'k'), Type::kUint32).U32(1); },
       kDataLoss, "metadata key has length 65536; the limit is 65535"},
      {"key longer than the file", [](GgufBytes& f) { f.Header(0, 1).U64(5000).Zeros(40); },
       kDataLoss, "metadata key has length 5000; 40 bytes are left"},
      {"key of 2^64 - 1 bytes", [](GgufBytes& f) { f.Header(0, 1).U64(~0ull).Zeros(40); },
       kDataLoss, "has length 18446744073709551615; 40 bytes"},
      {"key of 2^63 bytes", [](GgufBytes& f) { f.Header(0, 1).U64(1ull << 63).Zeros(40); },
       kDataLoss, "has length 9223372036854775808; 40 bytes"},
      {"key twice",
       [](GgufBytes& f) {
         f.Header(0, 2).Key("same", Type::kUint8).U8(1).Key("same", Type::kUint8).U8(2);
       },
       kDataLoss, "key \"same\" appears twice"},
      {"key with a line break twice",
       [](GgufBytes& f) {
         f.Header(0, 2).Key("a\nb", Type::kUint8).U8(1).Key("a\nb", Type::kUint8).U8(2);
       },
       kDataLoss, "key \"a.nb\" appears twice"},
      {"value type 13",
       [](GgufBytes& f) { f.Header(0, 1).Key("k", static_cast<Type>(13)).Zeros(40); }, kDataLoss,
       "key \"k\" has value type 13; types are 0 to 12"},
      {"value type 2^32 - 1",
       [](GgufBytes& f) { f.Header(0, 1).Key("k", static_cast<Type>(~0u)).Zeros(40); }, kDataLoss,
       "value type 4294967295"},
      {"boolean 2", [](GgufBytes& f) { f.Header(0, 1).Key("flag", Type::kBool).U8(2); }, kDataLoss,
       "key \"flag\" has the boolean 2; booleans are 0 or 1"},
      {"string longer than the file",
       [](GgufBytes& f) { f.Header(0, 1).Key("s", Type::kString).U64(11).Zeros(10); }, kDataLoss,
       "key \"s\" has length 11; 10 bytes are left"},
      {"number cut short", [](GgufBytes& f) { f.Header(0, 1).Key("num", Type::kUint64).U32(1); },
       kDataLoss, "key \"num\" takes 8 bytes and 4 are left"},
  };
  for (const Lie& lie : lies) ExpectRefused(lie);
}

TEST(GgufMetadataTest, LiesAboutArrays) {
  const Lie lies[] = {
      {"array of arrays",
       [](GgufBytes& f) { f.Header(0, 1).Array("deep", Type::kArray, 1).Zeros(40); },
       absl::StatusCode::kUnimplemented, "key \"deep\" is an array of arrays"},
      {"array of type 99",
       [](GgufBytes& f) { f.Header(0, 1).Array("a", static_cast<Type>(99), 1).Zeros(40); },
       kDataLoss, "key \"a\" has value type 99"},
      {"more numbers than bytes",
       [](GgufBytes& f) { f.Header(0, 1).Array("a", Type::kUint32, 11).Zeros(40); }, kDataLoss,
       "array length of key \"a\" is 11; the 40 bytes left hold at most 10"},
      {"2^62 numbers",
       [](GgufBytes& f) { f.Header(0, 1).Array("a", Type::kUint32, 1ull << 62).Zeros(40); },
       kDataLoss, "is 4611686018427387904; the 40 bytes left hold at most 10"},
      {"2^64 - 1 strings",
       [](GgufBytes& f) { f.Header(0, 1).Array("a", Type::kString, ~0ull).Zeros(40); }, kDataLoss,
       "is 18446744073709551615; the 40 bytes left hold at most 5"},
      {"second string longer than the file",
       [](GgufBytes& f) {
         f.Header(0, 1).Array("a", Type::kString, 2).Text("x").U64(1000).Zeros(9);
       },
       kDataLoss, "key \"a\" has length 1000; 9 bytes are left"},
      {"skipped string longer than the file",
       [](GgufBytes& f) {
         f.Header(0, 1).Array("a", Type::kString, kKeptArrayMax + 1).Zeros(8 * kKeptArrayMax);
         f.U64(77);
       },
       kDataLoss, "key \"a\" has length 77; 0 bytes are left"},
      {"boolean 7 in an array",
       [](GgufBytes& f) { f.Header(0, 1).Array("a", Type::kBool, 2).U8(1).U8(7); }, kDataLoss,
       "key \"a\" has the boolean 7"},
      {"unsigned value above the signed range",
       [](GgufBytes& f) { f.Header(0, 1).Array("a", Type::kUint64, 1).U64(1ull << 63); }, kDataLoss,
       "key \"a\" holds 9223372036854775808"},
      {"tokens that are numbers",
       [](GgufBytes& f) { f.Header(0, 1).Array("tokenizer.ggml.tokens", Type::kUint32, 1).U32(1); },
       kDataLoss, "tokens\" is an array of type 4, not of strings"},
      {"merges that are numbers",
       [](GgufBytes& f) { f.Header(0, 1).Array("tokenizer.ggml.merges", Type::kUint32, 1).U32(1); },
       kDataLoss, "merges\" is an array of type 4, not of strings"},
      {"scores that are integers",
       [](GgufBytes& f) { f.Header(0, 1).Array("tokenizer.ggml.scores", Type::kInt32, 1).U32(1); },
       kDataLoss, "scores\" is an array of type 5, not of floats"},
      {"score that is no number",
       [](GgufBytes& f) {
         f.Header(0, 1).Array("tokenizer.ggml.scores", Type::kFloat32, 1).U32(0x7fc00000);
       },
       kDataLoss, "scores\" holds a NaN"},
      {"token types that are floats",
       [](GgufBytes& f) {
         f.Header(0, 1).Array("tokenizer.ggml.token_type", Type::kFloat32, 1).F32(1);
       },
       kDataLoss, "token_type\" is an array of type 6, not of integers"},
      {"token type 7",
       [](GgufBytes& f) {
         f.Header(0, 1).Array("tokenizer.ggml.token_type", Type::kInt32, 1).U32(7);
       },
       kDataLoss, "token_type\" holds 7; token types are 0 to 6"},
      {"token type -1",
       [](GgufBytes& f) {
         f.Header(0, 1).Array("tokenizer.ggml.token_type", Type::kInt32, 1).U32(~0u);
       },
       kDataLoss, "token_type\" holds -1"},
  };
  for (const Lie& lie : lies) ExpectRefused(lie);
}

}  // namespace
}  // namespace llmrt::formats
