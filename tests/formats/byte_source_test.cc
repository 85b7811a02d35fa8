// Files that shrink, vanish, are folders or pipes; ranges; mapping; parts beside a file.
#include "formats/byte_source.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_folder.h"

namespace llmrt::formats {
namespace {

using ::testing::HasSubstr;

// Of this process, with a name that is not ASCII.
const testing::TempFolder& Folder() {
  static const testing::TempFolder folder("byte_source_größe");
  return folder;
}

std::vector<uint8_t> Pattern(size_t count) {
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return bytes;
}

std::string WriteFile(const std::string& name, const std::vector<uint8_t>& bytes) {
  const std::string path = Folder() / name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

std::vector<uint8_t> ReadAll(ByteSource& source) {
  std::vector<uint8_t> out(source.size());
  EXPECT_TRUE(source.ReadAt(0, absl::MakeSpan(out)).ok());
  return out;
}

class EverySourceTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<ByteSource> Open(const std::vector<uint8_t>& bytes) {
    kept_ = bytes;
    if (GetParam() == "borrowed") return BorrowMemory(kept_);
    if (GetParam() == "copied") return CopyMemory(bytes);
    auto source = OpenFile({.path = WriteFile("every", bytes), .use_mmap = GetParam() == "mapped"});
    EXPECT_TRUE(source.ok()) << source.status();
    return *std::move(source);
  }
  std::vector<uint8_t> kept_;
};

TEST_P(EverySourceTest, GivesItsBytesFromAnyPlace) {
  const std::vector<uint8_t> bytes = Pattern(10000);
  const auto source = Open(bytes);
  EXPECT_EQ(source->size(), 10000);
  EXPECT_EQ(ReadAll(*source), bytes);
  uint8_t out[3];
  ASSERT_TRUE(source->ReadAt(9997, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[2], bytes[9999]);
  EXPECT_TRUE(source->ReadAt(10000, {}).ok());
}

TEST_P(EverySourceTest, ReadsPastTheEndAreOutOfRange) {
  const auto source = Open(Pattern(100));
  uint8_t out[10];
  for (int64_t offset :
       {int64_t{91}, int64_t{100}, int64_t{101}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(source->ReadAt(offset, absl::MakeSpan(out)).code(), absl::StatusCode::kOutOfRange)
        << offset;
  }
}

TEST_P(EverySourceTest, EmptySourceHasNothingToRead) {
  const auto source = Open({});
  EXPECT_EQ(source->size(), 0);
  EXPECT_TRUE(source->ReadAt(0, {}).ok());
}

INSTANTIATE_TEST_SUITE_P(Sources, EverySourceTest,
                         ::testing::Values("plain", "mapped", "borrowed", "copied"),
                         [](const auto& info) { return info.param; });

TEST(ByteSourceTest, OnlyMappedAndMemorySourcesHaveAnAddress) {
  const std::string path = WriteFile("address", Pattern(50));
  EXPECT_EQ((*OpenFile({.path = path}))->mapped(), nullptr);
  const auto mapped = *OpenFile({.path = path, .use_mmap = true});
  EXPECT_EQ(mapped->mapped()[49], Pattern(50)[49]);
  EXPECT_EQ(mapped->name(), "address");
  EXPECT_EQ(BorrowMemory({})->name(), "memory");
}

TEST(ByteSourceTest, WhatWasForgottenIsStillThere) {
  const std::vector<uint8_t> bytes = Pattern(20000);
  const std::string path = WriteFile("forgotten", bytes);
  for (bool use_mmap : {false, true}) {
    // The range begins inside a page.
    const auto source = *OpenFile({.path = path, .offset = 5000, .use_mmap = use_mmap});
    EXPECT_TRUE(source->reads_in_parallel());
    source->Forget(100, 9000);
    source->Forget(0, source->size());
    source->Forget(source->size(), 1);  // outside
    source->Forget(-1, 1);
    EXPECT_EQ(ReadAll(*source), std::vector<uint8_t>(bytes.begin() + 5000, bytes.end()));
  }
}

TEST(ByteSourceTest, CopyOutlivesItsOriginalAndBorrowedDoesNotCopy) {
  std::vector<uint8_t> bytes = {1, 2, 3};
  const auto copied = CopyMemory(bytes);
  const auto borrowed = BorrowMemory(bytes);
  EXPECT_EQ(borrowed->mapped(), bytes.data());
  bytes.assign({9, 9, 9});
  EXPECT_EQ(ReadAll(*copied)[0], 1);
}

TEST(ByteSourceTest, RangeOfAFileIsASourceOfItsOwn) {
  const std::vector<uint8_t> bytes = Pattern(9000);
  const std::string path = WriteFile("range", bytes);
  for (bool use_mmap : {false, true}) {
    for (int64_t offset : {0, 1, 4095, 4096, 5000}) {
      auto part = OpenFile({.path = path, .offset = offset, .length = 100, .use_mmap = use_mmap});
      ASSERT_TRUE(part.ok());
      EXPECT_EQ(ReadAll(**part),
                std::vector<uint8_t>(bytes.begin() + offset, bytes.begin() + offset + 100));
      auto rest = OpenFile({.path = path, .offset = offset, .use_mmap = use_mmap});
      EXPECT_EQ((*rest)->size(), 9000 - offset);
    }
  }
}

TEST(ByteSourceTest, RangeOutsideTheFileIsNamed) {
  const std::string path = WriteFile("outside", Pattern(100));
  const FileRange ranges[] = {
      {path, 101, -1}, {path, 50, 51}, {path, -1, 5}, {path, 0, -2}, {path, 1, INT64_MAX}};
  for (const FileRange& range : ranges) {
    const absl::Status status = OpenFile(range).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(status.message(), HasSubstr("which has 100 bytes"));
  }
}

TEST(ByteSourceTest, WhatIsNoReadableFileHasItsOwnCode) {
  EXPECT_EQ(OpenFile({.path = Folder() / "missing"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenFile({.path = WriteFile("f", {}) + "/x"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenFile({.path = ""}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenFile({.path = std::string("a\0b", 3)}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenFile({.path = std::string(5000, 'x')}).status().code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status folder = OpenFile({.path = Folder().path()}).status();
  EXPECT_EQ(folder.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(folder.message(), HasSubstr("is a folder"));
}

TEST(ByteSourceTest, PipeIsRefusedWithoutWaitingForAWriter) {
  const std::string path = Folder() / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(OpenFile({.path = path}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ByteSourceTest, UnreadableFileIsPermissionDenied) {
  const std::string path = WriteFile("secret", Pattern(3));
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  // The superuser may read everything, so a child that is nobody tries.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr unsigned kNobody = 65534;
    const bool is_bound = geteuid() != 0 || (setgid(kNobody) == 0 && setuid(kNobody) == 0);
    // No destructors and no leak check: they belong to the parent.
    _exit(is_bound ? static_cast<int>(OpenFile({.path = path}).status().code()) : 255);
  }
  int ended = 0;
  ASSERT_EQ(waitpid(child, &ended, 0), child);
  ASSERT_TRUE(WIFEXITED(ended)) << ended;
  EXPECT_EQ(WEXITSTATUS(ended), static_cast<int>(absl::StatusCode::kPermissionDenied));
}

TEST(ByteSourceTest, FileThatBecameShorterIsDataLoss) {
  const std::string path = WriteFile("shrinks", Pattern(1000));
  const auto source = *OpenFile({.path = path});
  ASSERT_EQ(truncate(path.c_str(), 600), 0);
  std::vector<uint8_t> out(500);
  EXPECT_TRUE(source->ReadAt(100, absl::MakeSpan(out)).ok());
  const absl::Status status = source->ReadAt(300, absl::MakeSpan(out));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("file became shorter: shrinks had 1000 bytes when it was "
                                          "opened and ends at 600"));
}

TEST(ByteSourceTest, FileThatGrowsKeepsItsFirstSize) {
  const std::string path = WriteFile("grows", Pattern(1000));
  const auto source = *OpenFile({.path = path});
  ASSERT_EQ(truncate(path.c_str(), 2000), 0);
  EXPECT_EQ(source->size(), 1000);
  uint8_t out[1];
  EXPECT_EQ(source->ReadAt(1000, absl::MakeSpan(out)).code(), absl::StatusCode::kOutOfRange);
}

TEST(ByteSourceTest, DeletedFileStaysReadable) {
  const std::string path = WriteFile("deleted", Pattern(10));
  const auto source = *OpenFile({.path = path});
  unlink(path.c_str());
  EXPECT_EQ(ReadAll(*source), Pattern(10));
}

TEST(ByteSourceTest, SourcesCloseTheirFiles) {
  const std::string path = WriteFile("closes", Pattern(10));
  const int before = dup(0);
  close(before);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(OpenFile({.path = path, .use_mmap = i % 2 == 0}).ok());
    OpenFile({.path = path, .offset = 11}).IgnoreError();
    OpenFile({.path = Folder().path()}).IgnoreError();
  }
  const int after = dup(0);
  close(after);
  EXPECT_EQ(before, after);  // the lowest free number
}

TEST(ByteSourceTest, ThreadsReadAtTheSameTime) {
  const std::vector<uint8_t> bytes = Pattern(100000);
  const auto source = *OpenFile({.path = WriteFile("threads", bytes)});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<uint8_t> out(1000);
      for (int64_t offset = t; offset < 99000; offset += 997) {
        ASSERT_TRUE(source->ReadAt(offset, absl::MakeSpan(out)).ok());
        ASSERT_TRUE(std::equal(out.begin(), out.end(), bytes.begin() + offset));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(PartResolverTest, OpensSiblingsOnly) {
  const std::string path = WriteFile("first", Pattern(5));
  WriteFile("second", Pattern(6));
  const auto resolver = ResolveBeside(path, false);
  auto second = resolver->OpenPart("second");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->size(), 6);
  EXPECT_EQ(resolver->OpenPart("third").status().code(), absl::StatusCode::kNotFound);
  for (std::string_view name : {"../x", "/etc/passwd", "", ".", "..", "a/b"}) {
    EXPECT_EQ(resolver->OpenPart(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(PartResolverTest, PathWithoutFolderMeansTheCurrentOne) {
  const auto resolver = ResolveBeside("model.gguf", false);
  EXPECT_EQ(resolver->OpenPart("no-such-part-here").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace llmrt::formats
