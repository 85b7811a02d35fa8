// A file appears under its name whole or not at all.
#include "formats/byte_sink.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/temp_folder.h"

namespace llmrt::formats {
namespace {

bool Exists(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0;
}

TEST(ByteSinkTest, MemorySinkKeepsTheOrder) {
  MemorySink sink;
  ASSERT_TRUE(sink.Append({{1, 2}}).ok());
  ASSERT_TRUE(sink.Append({}).ok());
  ASSERT_TRUE(sink.Append({{3}}).ok());
  EXPECT_EQ(sink.bytes(), (std::vector<uint8_t>{1, 2, 3}));
}

TEST(ByteSinkTest, FileAppearsAtFinish) {
  const testing::TempFolder folder;
  const std::string path = folder / "whole";
  auto sink = FileSink::Create(path);
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Append({{'a', 'b'}}).ok());
  EXPECT_FALSE(Exists(path));
  ASSERT_TRUE((*sink)->Finish().ok());
  EXPECT_TRUE(Exists(path));
  EXPECT_FALSE(Exists(path + ".part"));
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "ab");
  EXPECT_EQ((*sink)->Append({{1}}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((*sink)->Finish().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ByteSinkTest, UnfinishedFileLeavesNothing) {
  const testing::TempFolder folder;
  const std::string path = folder / "half";
  {
    auto sink = FileSink::Create(path);
    ASSERT_TRUE(sink.ok());
    ASSERT_TRUE((*sink)->Append({{1}}).ok());
    EXPECT_TRUE(Exists(path + ".part"));
  }
  EXPECT_FALSE(Exists(path));
  EXPECT_FALSE(Exists(path + ".part"));
}

TEST(ByteSinkTest, PlaceThatCannotBeWrittenIsAStatus) {
  const testing::TempFolder folder;
  EXPECT_EQ(FileSink::Create("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FileSink::Create(folder / "no/such/folder").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ByteSinkTest, FullDeviceIsResourceExhausted) {
  // A link under the name that the sink will open leads it to the device.
  const testing::TempFolder folder;
  const std::string link = folder / "device.part";
  ASSERT_EQ(symlink("/dev/full", link.c_str()), 0);
  auto device = FileSink::Create(folder / "device");
  if (!device.ok()) GTEST_SKIP() << "/dev/full cannot be opened: " << device.status();
  EXPECT_EQ((*device)->Append({{1}}).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace llmrt::formats
