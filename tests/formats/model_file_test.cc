// Typed look-ups, values as text, reading inside a tensor.
#include "formats/model_file.h"

#include <limits>

#include "formats/model_file_builder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace llmrt::formats {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<ModelFile> FileWithEveryKind() {
  ModelFileBuilder builder;
  builder.AddMetadata("bool", true);
  builder.AddMetadata("int", int64_t{-5});
  builder.AddMetadata("uint", uint64_t{7});
  builder.AddMetadata("huge", std::numeric_limits<uint64_t>::max());
  builder.AddMetadata("double", 0.1);
  builder.AddMetadata("float", static_cast<double>(1e-5f));
  builder.AddMetadata("string", std::string("llama"));
  builder.AddMetadata("ints", std::vector<int64_t>{1, -2});
  builder.AddMetadata("doubles", std::vector<double>{0.5, 2});
  builder.AddMetadata("strings", std::vector<std::string>{"a", "b"});
  builder.AddMetadata("omitted", OmittedArray{512});
  builder.AddPart(CopyMemory({{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}));
  builder.AddTensor({.name = "t", .num_dims = 1, .dims = {1, 1, 1, 1}, .offset = 2, .bytes = 4});
  return builder.Finish();
}

TEST(ModelFileTest, LookUpsKeepTheirKind) {
  const auto file = FileWithEveryKind();
  EXPECT_EQ(*file->GetInt("int", 0), -5);
  EXPECT_EQ(*file->GetInt("uint", 0), 7);
  EXPECT_EQ(*file->GetDouble("double", 0), 0.1);
  EXPECT_EQ(*file->GetDouble("uint", 0), 7.0);
  EXPECT_EQ(*file->GetDouble("int", 0), -5.0);
  EXPECT_EQ(*file->GetBool("bool", false), true);
  EXPECT_EQ(*file->GetString("string", ""), "llama");
}

TEST(ModelFileTest, AbsentKeysGiveTheFallback) {
  const auto file = FileWithEveryKind();
  EXPECT_EQ(*file->GetInt("none", 3), 3);
  EXPECT_EQ(*file->GetDouble("none", 1.5), 1.5);
  EXPECT_EQ(*file->GetBool("none", true), true);
  EXPECT_EQ(*file->GetString("none", "x"), "x");
  EXPECT_EQ(file->FindMetadata("none"), nullptr);
  EXPECT_EQ(file->FindTensor("none"), nullptr);
}

TEST(ModelFileTest, WrongKindIsNamedWithItsValue) {
  const auto file = FileWithEveryKind();
  EXPECT_EQ(file->GetInt("huge", 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(file->GetInt("huge", 0).status().message(),
              HasSubstr("key \"huge\" is 18446744073709551615, not an integer below 2^63"));
  EXPECT_THAT(file->GetInt("string", 0).status().message(), HasSubstr("\"string\" is llama"));
  for (std::string_view key : {"bool", "double", "strings", "omitted"}) {
    EXPECT_FALSE(file->GetInt(key, 0).ok()) << key;
  }
  EXPECT_FALSE(file->GetDouble("bool", 0).ok());
  EXPECT_FALSE(file->GetBool("uint", false).ok());
  EXPECT_FALSE(file->GetString("ints", "").ok());
}

TEST(ModelFileTest, LongOrManyLinedValuesMakeOneShortLine) {
  ModelFileBuilder builder;
  builder.AddMetadata("key", "line\n" + std::string(1000, 'x'));
  const absl::Status status = builder.Finish()->GetInt("key", 0).status();
  EXPECT_LT(status.message().size(), 160u);
  EXPECT_EQ(status.message().find('\n'), std::string_view::npos);
}

TEST(ModelFileTest, ValuesReadAsPeopleWriteThem) {
  const auto file = FileWithEveryKind();
  const auto text = [&file](std::string_view key) {
    return ModelFile::ToText(*file->FindMetadata(key));
  };
  EXPECT_EQ(text("bool"), "true");
  EXPECT_EQ(text("int"), "-5");
  EXPECT_EQ(text("huge"), "18446744073709551615");
  EXPECT_EQ(text("double"), "0.1");
  EXPECT_EQ(text("float"), "1e-05");  // not 9.999999747378752e-06
  EXPECT_EQ(text("string"), "llama");
  EXPECT_EQ(text("ints"), "[1, -2]");
  EXPECT_EQ(text("doubles"), "[0.5, 2]");
  EXPECT_EQ(text("strings"), "[\"a\", \"b\"]");
  EXPECT_EQ(text("omitted"), "[512 values]");
}

TEST(ModelFileTest, ReadsStayInsideTheirTensor) {
  const auto file = FileWithEveryKind();
  const TensorInfo tensor = *file->FindTensor("t");
  uint8_t out[4];
  ASSERT_TRUE(file->ReadTensor(tensor, 0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[0], 2);
  EXPECT_EQ(out[3], 5);
  ASSERT_TRUE(file->ReadTensor(tensor, 3, absl::MakeSpan(out, 1)).ok());
  EXPECT_EQ(out[0], 5);
  EXPECT_TRUE(file->ReadTensor(tensor, 4, {}).ok());
  for (int64_t offset : {int64_t{1}, int64_t{5}, int64_t{-1}, INT64_MAX}) {
    const absl::Status status = file->ReadTensor(tensor, offset, absl::MakeSpan(out));
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(status.message(), HasSubstr("tensor \"t\", which has 4 bytes"));
  }
  TensorInfo stray = tensor;
  stray.part = 1;
  EXPECT_EQ(file->ReadTensor(stray, 0, absl::MakeSpan(out)).code(), absl::StatusCode::kOutOfRange);
}

TEST(ModelFileTest, OpeningNothingOrAnUnknownFormatIsNamed) {
  EXPECT_EQ(OpenModelFile(nullptr, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
  const absl::Status status = OpenModelFile(CopyMemory({{'P', 'K', 3, 4, 0}}), nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("starts with bytes 50 4b 03 04, not with \"GGUF\""));
}

TEST(ModelFileTest, RowsAreTheProductOfTheOuterDimensions) {
  TensorInfo tensor;
  EXPECT_EQ(tensor.rows(), 1);
  tensor.dims[0] = 64;
  tensor.dims[1] = 3;
  tensor.dims[2] = 5;
  EXPECT_EQ(tensor.cols(), 64);
  EXPECT_EQ(tensor.rows(), 15);
}

TEST(ModelFileTest, MemoryIsViewedInPlaceAndOthersAreReadIntoTheRoom) {
  const auto file = FileWithEveryKind();
  const TensorInfo& tensor = *file->FindTensor("t");
  std::vector<uint8_t> room(3, 99);
  const auto view = file->ViewTensor(tensor, 1, absl::MakeSpan(room));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ((std::vector<uint8_t>(view->begin(), view->end())), (std::vector<uint8_t>{3, 4, 5}));
  EXPECT_NE(view->data(), room.data());
  EXPECT_EQ(file->ViewTensor(tensor, 2, absl::MakeSpan(room)).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(file->reads_in_parallel());
  file->ForgetTensor(tensor, 0, 4);
  file->ForgetTensor(tensor, 3, 4);  // outside
}

// A host's reader: no address, one reader at a time.
class OneReader final : public ByteSource {
 public:
  int64_t size() const override { return 10; }
  std::string_view name() const override { return "one"; }
  bool reads_in_parallel() const override { return false; }
  absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(offset++);
    return absl::OkStatus();
  }
};

TEST(ModelFileTest, OnePartThatServesOneReaderMakesTheFileSo) {
  ModelFileBuilder builder;
  builder.AddPart(CopyMemory({{0, 1, 2, 3}}));
  builder.AddPart(std::make_shared<OneReader>());
  builder.AddTensor({.name = "t", .num_dims = 1, .part = 1, .offset = 6, .bytes = 4});
  // Of a directory that says more than the part has.
  builder.AddTensor({.name = "long", .num_dims = 1, .part = 0, .offset = 2, .bytes = 4});
  const auto file = builder.Finish();
  EXPECT_FALSE(file->reads_in_parallel());
  std::vector<uint8_t> room(4);
  const auto view = file->ViewTensor(*file->FindTensor("t"), 0, absl::MakeSpan(room));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->data(), room.data());
  EXPECT_EQ(room, (std::vector<uint8_t>{6, 7, 8, 9}));
  EXPECT_EQ(file->ViewTensor(*file->FindTensor("long"), 0, absl::MakeSpan(room)).status().code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace llmrt::formats
