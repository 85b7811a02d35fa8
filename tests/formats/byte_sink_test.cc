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

TEST(ByteSinkTest, WhatIsNoFileIsRefusedAndLeftAlone) {
  const testing::TempFolder folder;
  const std::string pipe = folder / "pipe";
  const std::string inner = folder / "inner";
  const std::string link = folder / "link";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  ASSERT_EQ(mkdir(inner.c_str(), 0700), 0);
  ASSERT_EQ(symlink("pipe", link.c_str()), 0);
  for (const std::string& path : {pipe, inner, link}) {
    const absl::Status status = FileSink::Create(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
    EXPECT_FALSE(Exists(path + ".part"));
  }
  struct stat info = {};
  ASSERT_EQ(lstat(pipe.c_str(), &info), 0);
  EXPECT_TRUE(S_ISFIFO(info.st_mode));
}

TEST(ByteSinkTest, LinkStaysAndItsFileIsReplaced) {
  const testing::TempFolder folder;
  const std::string inner = folder / "inner";
  ASSERT_EQ(mkdir(inner.c_str(), 0700), 0);
  const std::string link = folder / "link";
  const std::string second = folder / "inner/second";
  // A relative link to a link beside the file, which is absent at first.
  ASSERT_EQ(symlink("inner/second", link.c_str()), 0);
  ASSERT_EQ(symlink("file", second.c_str()), 0);
  for (const char letter : {'a', 'b'}) {
    auto sink = FileSink::Create(link);
    ASSERT_TRUE(sink.ok()) << sink.status();
    ASSERT_TRUE((*sink)->Append({{static_cast<uint8_t>(letter)}}).ok());
    ASSERT_TRUE((*sink)->Finish().ok());
    struct stat info = {};
    ASSERT_EQ(lstat(link.c_str(), &info), 0);
    EXPECT_TRUE(S_ISLNK(info.st_mode));
    std::ifstream file(folder / "inner/file");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), std::string(1, letter));
  }
}

TEST(ByteSinkTest, CircleOfLinksIsAStatus) {
  const testing::TempFolder folder;
  const std::string link = folder / "circle";
  ASSERT_EQ(symlink("circle", link.c_str()), 0);
  EXPECT_FALSE(FileSink::Create(link).ok());
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
