// The fixed header, both versions, and the hash that names a model.
#include "formats/gguf.h"

#include <string>
#include <vector>

#include "formats/sha256.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/temp_folder.h"

namespace llmrt::formats {
namespace {

using Type = GgufValueType;

TEST(GgufTest, VersionsTwoAndThreeOpen) {
  for (uint32_t version : {2u, 3u}) {
    GgufBytes file;
    file.Header(1, 1, version).Key("k", Type::kUint8).U8(1).Tensor("t", {4}, 0, 0).Pad().Zeros(16);
    const auto model = OpenBytes(file.bytes());
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->format(), version == 2 ? "GGUF v2" : "GGUF v3");
    EXPECT_EQ((*model)->file_bytes(), static_cast<int64_t>(file.bytes().size()));
  }
}

TEST(GgufTest, FileWithNothingInItOpens) {
  const auto model = OpenBytes(GgufBytes().Header(0, 0).bytes());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE((*model)->metadata().empty());
  EXPECT_TRUE((*model)->tensors().empty());
}

TEST(GgufTest, LiesAboutTheFixedHeader) {
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  const absl::StatusCode unimplemented = absl::StatusCode::kUnimplemented;
  const absl::StatusCode data_loss = absl::StatusCode::kDataLoss;
  const Lie lies[] = {
      {"empty", [](GgufBytes&) {}, invalid,
       "memory has 0 bytes and is no model file; give the path"},
      {"three bytes", [](GgufBytes& f) { f.Raw("GGU"); }, invalid, "has 3 bytes"},
      {"a folder of weights", [](GgufBytes& f) { f.Raw("PK\x03\x04").Zeros(100); }, invalid,
       "starts with bytes 50 4b 03 04, not with \"GGUF\""},
      {"lower case", [](GgufBytes& f) { f.Raw("gguf").Zeros(100); }, invalid,
       "starts with bytes 67 67 75 66"},
      {"reversed magic", [](GgufBytes& f) { f.Raw("FUGG").Zeros(100); }, unimplemented,
       "big-endian GGUF is not supported"},
      {"reversed version", [](GgufBytes& f) { f.Header(0, 0, 3u << 24); }, unimplemented,
       "big-endian GGUF is not supported"},
      {"version 0", [](GgufBytes& f) { f.Header(0, 0, 0); }, unimplemented,
       "GGUF version 0 is not supported, 2 and 3 are"},
      {"version 1", [](GgufBytes& f) { f.Header(0, 0, 1); }, unimplemented,
       "GGUF version 1 is not"},
      {"version 4", [](GgufBytes& f) { f.Header(0, 0, 4); }, unimplemented,
       "GGUF version 4 is not"},
      {"magic alone", [](GgufBytes& f) { f.Raw("GGUF"); }, data_loss,
       "the version takes 4 bytes and 0 are left"},
      {"no counts", [](GgufBytes& f) { f.Raw("GGUF").U32(3); }, data_loss,
       "number of tensors takes 8 bytes and 0 are left"},
      {"one count", [](GgufBytes& f) { f.Raw("GGUF").U32(3).U64(0); }, data_loss,
       "number of metadata keys takes 8 bytes and 0 are left"},
  };
  for (const Lie& lie : lies) ExpectRefused(lie);
}

TEST(GgufTest, HashCoversTheHeaderAndNothingElse) {
  std::vector<uint8_t> bytes = Written(SmallModel());
  const auto model = OpenBytes(bytes);
  ASSERT_TRUE(model.ok());
  const std::string hash = (*model)->header_hash();
  EXPECT_EQ(hash.size(), 64u);
  const int64_t data = (*model)->FindTensor("norm")->offset;
  std::vector<uint8_t> other = bytes;
  other[data] ^= 1;
  EXPECT_EQ((*OpenBytes(other))->header_hash(), hash);
  // Any key's value changes it: here the block count, which follows its key and type.
  const std::string_view key = "llama.block_count";
  const auto place = std::search(bytes.begin(), bytes.end(), key.begin(), key.end());
  ASSERT_NE(place, bytes.end());
  *(place + static_cast<int64_t>(key.size()) + 4) = 2;
  const auto changed = OpenBytes(bytes);
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(*(*changed)->GetInt("llama.block_count", 0), 2);
  EXPECT_NE((*changed)->header_hash(), hash);
}

TEST(GgufTest, HashIsThatOfTheHeaderBytes) {
  GgufBytes file;
  file.Header(1, 1).Key("k", Type::kUint8).U8(1).Tensor("t", {4}, 0, 0);
  const std::string expected = Sha256Hex(file.bytes());
  const auto model = OpenBytes(file.Pad().Zeros(16).bytes());
  ASSERT_TRUE(model.ok());
  EXPECT_EQ((*model)->header_hash(), expected);
}

TEST(GgufTest, MessagesNameTheFile) {
  const testing::TempFolder folder;
  const std::string path = folder / "named.gguf";
  auto sink = FileSink::Create(path);
  ASSERT_TRUE(sink.ok());
  ASSERT_TRUE((*sink)->Append(GgufBytes().Header(0, 5).bytes()).ok());
  ASSERT_TRUE((*sink)->Finish().ok());
  const absl::Status status = OpenModelFile(*OpenFile({.path = path}), nullptr).status();
  EXPECT_EQ(
      status.message(),
      "named.gguf: the number of metadata keys is 5; the 0 bytes left hold at most 0 (at byte "
      "24); download or convert the file again");
}

}  // namespace
}  // namespace llmrt::formats
