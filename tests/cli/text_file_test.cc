#include "tools/cli/text_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace llmrt::cli {
namespace {

TEST(TextFileTest, WhatIsWrittenIsReadBackByteForByte) {
  const std::string path = ::testing::TempDir() + "/text_file_test.txt";
  for (const std::string& text :
       {std::string("two\r\nlines\n"), std::string("\0\xff", 2), std::string()}) {
    ASSERT_TRUE(WriteTextFile(path, text).ok());
    std::string read = "something else";
    ASSERT_TRUE(ReadTextFile(path, &read).ok());
    EXPECT_EQ(read, text);
  }
  std::filesystem::remove(path);
}

TEST(TextFileTest, WritingReplacesWhatWasThere) {
  const std::string path = ::testing::TempDir() + "/text_file_replaced_test.txt";
  ASSERT_TRUE(WriteTextFile(path, std::string(100000, 'x')).ok());
  ASSERT_TRUE(WriteTextFile(path, "short").ok());
  EXPECT_EQ(std::filesystem::file_size(path), 5u);
  std::filesystem::remove(path);
}

TEST(TextFileTest, FailuresNameTheFile) {
  const std::string folder = ::testing::TempDir();
  const std::string lost = folder + "/no such folder/file.txt";
  std::string text;
  for (const Outcome& outcome : {ReadTextFile(lost, &text), WriteTextFile(lost, "x")}) {
    EXPECT_EQ(outcome.exit_status, kExitFailed);
    EXPECT_EQ(outcome.message.find(lost + ": "), 0u) << outcome.message;
  }
  EXPECT_EQ(WriteTextFile(folder, "x").exit_status, kExitFailed);
}

// Where a file takes no byte, that shows when it is closed at the latest.
TEST(TextFileTest, AFullDiskIsAFailure) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this system";
  EXPECT_EQ(WriteTextFile("/dev/full", "x").exit_status, kExitFailed);
  EXPECT_EQ(WriteTextFile("/dev/full", std::string(1 << 20, 'x')).exit_status, kExitFailed);
}

}  // namespace
}  // namespace llmrt::cli
