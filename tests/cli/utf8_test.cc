// Characters by the bounds of Unicode's table of well-formed sequences.
#include "tools/cli/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace llmrt::cli {
namespace {

TEST(CharacterSizeTest, TheFirstAndLastOfEverySizeAreCharacters) {
  for (const std::string_view text : {std::string_view("\0", 1), std::string_view("\x7f")}) {
    EXPECT_EQ(CharacterSize(text), 1u);
  }
  for (const char* text : {"\xc2\x80", "\xdf\xbf"}) EXPECT_EQ(CharacterSize(text), 2u);
  for (const char* text : {"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf"}) {
    EXPECT_EQ(CharacterSize(text), 3u);
  }
  for (const char* text : {"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(CharacterSize(text), 4u);
  }
}

TEST(CharacterSizeTest, WhatFollowsDoesNotMatter) { EXPECT_EQ(CharacterSize("\xc3\xa4\xff"), 2u); }

TEST(CharacterSizeTest, OverlongFormsSurrogatesAndLargeValuesAreNone) {
  for (const char* text :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_EQ(CharacterSize(text), 0u);
  }
}

TEST(CharacterSizeTest, WhatIsCutOrStartsInTheMiddleIsNone) {
  for (const char* text : {"\x80", "\xbf", "\xc3", "\xc3z", "\xe2\x82", "\xf0\x9f\xa6", "\xff"}) {
    EXPECT_EQ(CharacterSize(text), 0u);
  }
}

TEST(FindInvalidUtf8Test, ThePlaceOfTheFirstBadByteIsGiven) {
  EXPECT_EQ(FindInvalidUtf8(""), std::string_view::npos);
  EXPECT_EQ(FindInvalidUtf8("Äpfel 🦙"), std::string_view::npos);
  EXPECT_EQ(FindInvalidUtf8("Ä\xff\xff"), 2u);
}

TEST(IsControlTest, ControlsAndSeparatorsAreControls) {
  for (const char* text : {"\x01", "\n", "\x1b", "\x1f", "\x7f", "\xc2\x80", "\xc2\x9b", "\xc2\x9f",
                           "\xe2\x80\xa8", "\xe2\x80\xa9"}) {
    EXPECT_TRUE(IsControl(text));
  }
  for (const char* text : {" ", "~", "\xc2\xa0", "ä", "\xe2\x80\xa7", "\xe2\x80\xaa", "🦙"}) {
    EXPECT_FALSE(IsControl(text));
  }
}

}  // namespace
}  // namespace llmrt::cli
