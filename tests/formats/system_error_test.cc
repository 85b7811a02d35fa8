#include "formats/system_error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace llmrt::formats {
namespace {

TEST(SystemErrorTest, KnownErrorsHaveTheirWords) {
  EXPECT_EQ(WithSystemWords("cannot open x", ENOENT), "cannot open x: No such file or directory");
}

TEST(SystemErrorTest, UnknownErrorsHaveTheirNumber) {
  EXPECT_EQ(WithSystemWords("cannot open x", 99999), "cannot open x: system error 99999");
}

}  // namespace
}  // namespace llmrt::formats
