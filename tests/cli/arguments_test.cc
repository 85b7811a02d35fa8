// The argument parser alone, without any command.
#include "tools/cli/arguments.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace llmrt::cli {
namespace {

// One flag of every kind.
class ArgumentsTest : public testing::Test {
 protected:
  ArgumentsTest() : parser_("try FIRST REST...") {
    parser_.Positional("FIRST", &first_);
    parser_.PositionalList("REST", &rest_);
    parser_.Switch("--switch", "on or off", &switch_);
    parser_.Text("--text", "any text", &text_);
    parser_.TextList("--list", "texts", &list_);
    parser_.Integer("-n", "whole number", &integer_);
    parser_.Number("--number", "number", &number_);
    parser_.Choice("--choice", "a word", {"red", "green"}, &choice_);
  }

  Outcome Parse(const std::vector<std::string>& arguments) {
    return parser_.Parse(arguments, &helped_);
  }
  void ExpectWrong(const std::vector<std::string>& arguments, const std::string& message) {
    const Outcome outcome = Parse(arguments);
    EXPECT_EQ(outcome.exit_status, kExitWrongUsage);
    EXPECT_EQ(outcome.message, message);
  }

  Arguments parser_;
  std::string first_;
  std::vector<std::string> rest_;
  bool switch_ = false;
  std::optional<std::string> text_;
  std::vector<std::string> list_;
  std::optional<int64_t> integer_;
  std::optional<double> number_;
  std::optional<std::string> choice_;
  bool helped_ = false;
};

TEST_F(ArgumentsTest, EveryKindOfFlagIsReadInAnyOrder) {
  ASSERT_TRUE(Parse({"--switch", "a", "-n", "-5", "b", "--number", "0.25", "--text", "x y",
                     "--list", "1", "--list", "2", "--choice", "green", "c"})
                  .ok());
  EXPECT_EQ(first_, "a");
  EXPECT_EQ(rest_, (std::vector<std::string>{"b", "c"}));
  EXPECT_TRUE(switch_);
  EXPECT_EQ(integer_, -5);
  EXPECT_EQ(number_, 0.25);
  EXPECT_EQ(text_, "x y");
  EXPECT_EQ(list_, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(choice_, "green");
}

TEST_F(ArgumentsTest, FlagsThatAreNotGivenLeaveTheirValues) {
  ASSERT_TRUE(Parse({"a", "b"}).ok());
  EXPECT_FALSE(switch_ || text_ || integer_ || number_ || choice_);
  EXPECT_TRUE(list_.empty());
}

TEST_F(ArgumentsTest, AnEqualsSignJoinsFlagAndValue) {
  ASSERT_TRUE(Parse({"a", "b", "--text=x=y", "--number=1e-3", "--list="}).ok());
  EXPECT_EQ(text_, "x=y");
  EXPECT_EQ(number_, 1e-3);
  EXPECT_EQ(list_, std::vector<std::string>{""});
}

TEST_F(ArgumentsTest, AValueMayLookLikeAFlag) {
  ASSERT_TRUE(Parse({"a", "b", "--text", "--switch"}).ok());
  EXPECT_EQ(text_, "--switch");
  EXPECT_FALSE(switch_);
}

TEST_F(ArgumentsTest, TwoDashesEndTheFlags) {
  ASSERT_TRUE(Parse({"--", "--text", "-n"}).ok());
  EXPECT_EQ(first_, "--text");
  EXPECT_EQ(rest_, std::vector<std::string>{"-n"});
}

TEST_F(ArgumentsTest, OneDashAndTheEmptyTextAreNoFlags) {
  ASSERT_TRUE(Parse({"-", ""}).ok());
  EXPECT_EQ(first_, "-");
  EXPECT_EQ(rest_, std::vector<std::string>{""});
}

TEST_F(ArgumentsTest, NumbersAreReadWholeOrNotAtAll) {
  for (const char* text : {"", " 1", "1 ", "1x", "0x1", "+1", "1.0", "9223372036854775808"}) {
    SCOPED_TRACE(text);
    parser_ = Arguments("try");
    parser_.Integer("-n", "", &integer_);
    EXPECT_EQ(Parse({"-n", text}).exit_status, kExitWrongUsage);
  }
  for (const char* text : {"", "1,5", "0.5f", "inf", "nan", "1e999"}) {
    SCOPED_TRACE(text);
    parser_ = Arguments("try");
    parser_.Number("-n", "", &number_);
    EXPECT_EQ(Parse({"-n", text}).exit_status, kExitWrongUsage);
  }
}

TEST_F(ArgumentsTest, WrongUsageIsNamed) {
  ExpectWrong({"a", "b", "--colour"}, "unknown flag --colour");
  ExpectWrong({"a", "b", "--colour=red"}, "unknown flag --colour");
  ExpectWrong({"a", "b", "--choice", "blue"}, "--choice is one of red, green, not 'blue'");
  ExpectWrong({"a", "b", "--text"}, "--text wants a value");
  ExpectWrong({"a", "b", "--switch=on"}, "--switch takes no value");
  ExpectWrong({"a", "b", "-n", "x"}, "-n wants a whole number, not 'x'");
}

TEST_F(ArgumentsTest, AFlagGivenTwiceIsWrongUsage) {
  ExpectWrong({"a", "b", "--text", "1", "--text", "2"}, "--text is given twice");
}

TEST_F(ArgumentsTest, PlacesMustBeFilled) {
  ExpectWrong({}, "FIRST is missing");
  ExpectWrong({"a"}, "REST is missing");
}

TEST_F(ArgumentsTest, WhatHasNoPlaceIsWrongUsage) {
  parser_ = Arguments("try FIRST");
  parser_.Positional("FIRST", &first_);
  ExpectWrong({"a", "b"}, "'b' is one argument too many");
}

TEST_F(ArgumentsTest, HelpEndsTheReading) {
  ASSERT_TRUE(Parse({"--help", "--colour"}).ok());
  EXPECT_TRUE(helped_);
  EXPECT_EQ(parser_.Help().substr(0, 31), "usage: llmrt try FIRST REST...\n");
  EXPECT_NE(parser_.Help().find("\n  --choice  a word: red, green\n"), std::string::npos);
}

}  // namespace
}  // namespace llmrt::cli
