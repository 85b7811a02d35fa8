// What people see: tables, sizes and texts that a terminal can take.
#include "tools/cli/terminal.h"

#include <gtest/gtest.h>

#include <string>

namespace llmrt::cli {
namespace {

TEST(FormatTableTest, ColumnsStandUnderEachOther) {
  EXPECT_EQ(FormatTable({{"name", "bytes"}, {"a", "5"}, {"longer", "12345"}}, {false, true}),
            "name    bytes\n"
            "a           5\n"
            "longer  12345\n");
}

TEST(FormatTableTest, NoLineEndsInBlanks) {
  EXPECT_EQ(FormatTable({{"a", "x"}, {"b", "longer"}}, {false, false}), "a  x\nb  longer\n");
}

TEST(FormatTableTest, NoRowsGiveNoText) { EXPECT_EQ(FormatTable({}, {false}), ""); }

TEST(FormatBytesTest, UnitsAreDecimalAndTheBytesExact) {
  EXPECT_EQ(FormatBytes(0), "0 bytes");
  EXPECT_EQ(FormatBytes(999), "999 bytes");
  EXPECT_EQ(FormatBytes(1000), "1.0 kB (1000 bytes)");
  EXPECT_EQ(FormatBytes(4149024), "4.1 MB (4149024 bytes)");
  EXPECT_EQ(FormatBytes(9000000000000000000), "9000000.0 TB (9000000000000000000 bytes)");
}

TEST(QuotedTest, PlainTextKeepsItsCharacters) {
  EXPECT_EQ(Quoted("Äpfel 🦙", 80), "\"Äpfel 🦙\"");
  EXPECT_EQ(Quoted("", 80), "\"\"");
}

TEST(QuotedTest, QuotesBackslashesAndControlsAreEscaped) {
  EXPECT_EQ(Quoted("a\"b\\c\nd\te\x1b[31m\x7f", 80), "\"a\\\"b\\\\c\\nd\\x09e\\x1b[31m\\x7f\"");
  EXPECT_EQ(Quoted(std::string_view("\0", 1), 80), "\"\\x00\"");
}

TEST(QuotedTest, BytesThatAreNoCharactersAreEscaped) {
  EXPECT_EQ(Quoted("\xc3", 80), "\"\\xc3\"");
  EXPECT_EQ(Quoted("\xb6x", 80), "\"\\xb6x\"");
  EXPECT_EQ(Quoted("\xc0\x80", 80), "\"\\xc0\\x80\"");
  EXPECT_EQ(Quoted("\xf0\x9f\xa6", 80), "\"\\xf0\\x9f\\xa6\"");
}

TEST(QuotedTest, CommandsOfTerminalsAreEscapedInEveryForm) {
  // C1 controls: CSI is U+009B, which terminals take like ESC [.
  EXPECT_EQ(Quoted("a\xc2\x9b[31m", 80), "\"a\\xc2\\x9b[31m\"");
  EXPECT_EQ(Quoted("\xc2\x80\xc2\x85\xc2\xa0", 80), "\"\\xc2\\x80\\xc2\\x85\xc2\xa0\"");
  // Separators of lines and paragraphs.
  EXPECT_EQ(Quoted("\xe2\x80\xa8\xe2\x80\xa9", 80), "\"\\xe2\\x80\\xa8\\xe2\\x80\\xa9\"");
}

TEST(QuotedTest, OverlongFormsAndSurrogatesAreEscaped) {
  EXPECT_EQ(Quoted("\xe0\x80\x9b", 80), "\"\\xe0\\x80\\x9b\"");
  EXPECT_EQ(Quoted("\xf0\x80\x80\x9b", 80), "\"\\xf0\\x80\\x80\\x9b\"");
  EXPECT_EQ(Quoted("\xed\xa0\x80", 80), "\"\\xed\\xa0\\x80\"");
  EXPECT_EQ(Quoted("\xf4\x90\x80\x80", 80), "\"\\xf4\\x90\\x80\\x80\"");
}

TEST(QuotedTest, LongTextIsCutBetweenCharacters) {
  const std::string quoted = Quoted("ääääääääää", 8);
  EXPECT_EQ(quoted, "\"ääää\"...");
}

TEST(FormatNumberTest, DigitsAfterThePointAreFixed) {
  EXPECT_EQ(FormatNumber(2.5, 2), "2.50");
  EXPECT_EQ(FormatNumber(1e6, 0), "1000000");
}

}  // namespace
}  // namespace llmrt::cli
