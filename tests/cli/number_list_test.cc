#include "tools/cli/number_list.h"

#include <gtest/gtest.h>

namespace llmrt::cli {
namespace {

TEST(NumberListTest, ReadsOneNumberOrSeveral) {
  std::vector<int64_t> values = {9};
  ASSERT_TRUE(ParseNumberList("4", "--batch", 1, &values).ok());
  EXPECT_EQ(values, std::vector<int64_t>({4}));
  ASSERT_TRUE(ParseNumberList("1,4,16", "--batch", 1, &values).ok());
  EXPECT_EQ(values, std::vector<int64_t>({1, 4, 16}));
  ASSERT_TRUE(ParseNumberList("0", "--depth", 0, &values).ok());
  EXPECT_EQ(values, std::vector<int64_t>({0}));
}

TEST(NumberListTest, WhatIsNoListIsWrongUsageAndChangesNothing) {
  std::vector<int64_t> values = {9};
  for (const char* text : {"", ",", "1,", ",1", "1,,2", "1;2", "1, 2", "one", "0", "-1", "1.5",
                           "99999999999", "99999999999999999999999"}) {
    const Outcome outcome = ParseNumberList(text, "--batch", 1, &values);
    EXPECT_EQ(outcome.exit_status, kExitWrongUsage) << text;
    EXPECT_NE(outcome.message.find("--batch"), std::string::npos) << text;
  }
  EXPECT_EQ(values, std::vector<int64_t>({9}));
}

}  // namespace
}  // namespace llmrt::cli
