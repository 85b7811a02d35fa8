// Models in several files: found by name, checked against each other.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/temp_folder.h"

namespace llmrt::formats {
namespace {

using backend::WeightType;
using ::testing::HasSubstr;

// Memory under a file's name.
class NamedMemory : public ByteSource {
 public:
  NamedMemory(std::string name, std::vector<uint8_t> bytes)
      : name_(std::move(name)), bytes_(std::move(bytes)) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  std::string_view name() const override { return name_; }
  absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) override {
    std::copy_n(bytes_.begin() + offset, out.size(), out.begin());
    return absl::OkStatus();
  }

 private:
  std::string name_;
  std::vector<uint8_t> bytes_;
};

class Folder : public PartResolver {
 public:
  absl::StatusOr<std::shared_ptr<ByteSource>> OpenPart(std::string_view name) override {
    const auto it = files.find(std::string(name));
    if (it == files.end()) return absl::NotFoundError("no such file");
    return std::make_shared<NamedMemory>(it->first, it->second);
  }
  absl::StatusOr<std::unique_ptr<ModelFile>> Open(const std::string& name) {
    return OpenModelFile(std::make_shared<NamedMemory>(name, files.at(name)), this);
  }
  std::map<std::string, std::vector<uint8_t>> files;
};

struct PartSpec {
  uint16_t no = 0;
  uint16_t count = 3;
  int32_t tensors = 3;
  std::string tensor;
};

std::vector<uint8_t> Part(const PartSpec& spec) {
  GgufWriter writer;
  if (spec.no == 0) writer.AddString("general.architecture", "llama");
  writer.AddUint16("split.no", spec.no);
  writer.AddUint16("split.count", spec.count);
  writer.AddInt32("split.tensors.count", spec.tensors);
  EXPECT_TRUE(
      writer.AddTensor(spec.tensor, WeightType::kF32, {2}, std::vector<uint8_t>(8, spec.no)).ok());
  return Written(writer);
}

Folder ThreeParts() {
  Folder folder;
  folder.files["m-00001-of-00003.gguf"] = Part({.no = 0, .tensor = "a"});
  folder.files["m-00002-of-00003.gguf"] = Part({.no = 1, .tensor = "b"});
  folder.files["m-00003-of-00003.gguf"] = Part({.no = 2, .tensor = "c"});
  return folder;
}

constexpr char kFirst[] = "m-00001-of-00003.gguf";

TEST(GgufSplitTest, PartsMakeOneModel) {
  Folder folder = ThreeParts();
  const auto model = folder.Open(kFirst);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ((*model)->tensors().size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const TensorInfo& tensor = (*model)->tensors()[i];
    EXPECT_EQ(tensor.part, i);
    uint8_t out[8];
    ASSERT_TRUE((*model)->ReadTensor(tensor, 0, absl::MakeSpan(out)).ok());
    EXPECT_EQ(out[7], i);
  }
  int64_t bytes = 0;
  for (const auto& [name, content] : folder.files) bytes += static_cast<int64_t>(content.size());
  EXPECT_EQ((*model)->file_bytes(), bytes);
  EXPECT_EQ(*(*model)->GetString("general.architecture", ""), "llama");
}

TEST(GgufSplitTest, HashCoversEveryPart) {
  Folder folder = ThreeParts();
  const std::string hash = (*folder.Open(kFirst))->header_hash();
  folder.files["m-00003-of-00003.gguf"] = Part({.no = 2, .tensor = "d"});
  EXPECT_NE((*folder.Open(kFirst))->header_hash(), hash);
}

TEST(GgufSplitTest, CountOfOneOrZeroIsAWholeModel) {
  for (uint16_t count : {0, 1}) {
    const auto model = OpenBytes(Part({.no = 0, .count = count, .tensor = "a"}));
    EXPECT_TRUE(model.ok()) << model.status();
  }
}

TEST(GgufSplitTest, MissingPartIsNamed) {
  Folder folder = ThreeParts();
  folder.files.erase("m-00002-of-00003.gguf");
  const absl::Status status = folder.Open(kFirst).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(
      status.message(),
      "part m-00002-of-00003.gguf of m-00001-of-00003.gguf: no such file; put all parts in one "
      "folder");
}

TEST(GgufSplitTest, WithoutResolverTheMissingPartIsNamed) {
  Folder folder = ThreeParts();
  const absl::Status status =
      OpenModelFile(std::make_shared<NamedMemory>(kFirst, folder.files[kFirst]), nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("part m-00002-of-00003.gguf of"));
}

TEST(GgufSplitTest, LaterPartAloneIsRefused) {
  Folder folder = ThreeParts();
  const absl::Status status = folder.Open("m-00002-of-00003.gguf").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              HasSubstr("is part 2 of 3; open the first part (-00001-of-00003.gguf)"));
}

TEST(GgufSplitTest, RenamedFirstPartIsExplained) {
  Folder folder = ThreeParts();
  folder.files["model.gguf"] = folder.files[kFirst];
  const absl::Status status = folder.Open("model.gguf").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("its name does not end in -00001-of-00003.gguf"));
}

TEST(GgufSplitTest, PartsOfAnotherModelAreDataLoss) {
  const std::pair<PartSpec, std::string_view> wrong[] = {
      {{.no = 2, .tensor = "b"}, "m-00002-of-00003.gguf says it is part 3 of 3, not 2 of 3"},
      {{.no = 1, .count = 4, .tensor = "b"}, "says it is part 2 of 4, not 2 of 3"},
      {{.no = 0, .count = 1, .tensor = "b"}, "says it is part 1 of 1, not 2 of 3"},
      {{.no = 5, .tensor = "b"}, "part number 5 of 3"},
      {{.no = 1, .tensor = "a"}, "tensor \"a\" is in another part already"},
  };
  for (const auto& [spec, message] : wrong) {
    Folder folder = ThreeParts();
    folder.files["m-00002-of-00003.gguf"] = Part(spec);
    const absl::Status status = folder.Open(kFirst).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
}

TEST(GgufSplitTest, TensorCountOfAllPartsIsChecked) {
  Folder folder = ThreeParts();
  folder.files[kFirst] = Part({.no = 0, .tensors = 4, .tensor = "a"});
  const absl::Status status = folder.Open(kFirst).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("split.tensors.count is 4; the 3 parts hold 3 tensors"));
}

TEST(GgufSplitTest, BrokenPartIsNamed) {
  Folder folder = ThreeParts();
  folder.files["m-00003-of-00003.gguf"].resize(30);
  const absl::Status status = folder.Open(kFirst).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("m-00003-of-00003.gguf: "));
}

TEST(GgufSplitTest, ImpossibleNumbersAreDataLoss) {
  GgufWriter many;
  many.AddUint32("split.count", 100000);
  EXPECT_EQ(OpenBytes(Written(many)).status().code(), absl::StatusCode::kDataLoss);
  GgufWriter negative;
  negative.AddUint32("split.count", 2);
  negative.AddInt32("split.no", -1);
  EXPECT_EQ(OpenBytes(Written(negative)).status().code(), absl::StatusCode::kDataLoss);
  GgufWriter text;
  text.AddString("split.count", "3");
  EXPECT_EQ(OpenBytes(Written(text)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(GgufSplitTest, PartsLieInTheFolderOfTheFirst) {
  const testing::TempFolder disk;
  for (const auto& [name, content] : ThreeParts().files) {
    auto sink = FileSink::Create(disk / name);
    ASSERT_TRUE(sink.ok());
    ASSERT_TRUE((*sink)->Append(content).ok());
    ASSERT_TRUE((*sink)->Finish().ok());
  }
  const std::string path = disk / kFirst;
  for (bool use_mmap : {false, true}) {
    const auto resolver = ResolveBeside(path, use_mmap);
    const auto model =
        OpenModelFile(*OpenFile({.path = path, .use_mmap = use_mmap}), resolver.get());
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->tensors().size(), 3u);
  }
}

}  // namespace
}  // namespace llmrt::formats
