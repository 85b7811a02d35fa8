#include "text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace llmrt::text {
namespace {

using namespace std::string_literals;

constexpr size_t kValid = std::string_view::npos;

TEST(Utf8Test, ValidTextHasNoInvalidByte) {
  EXPECT_EQ(FindInvalidUtf8(""), kValid);
  EXPECT_EQ(FindInvalidUtf8("plain"), kValid);
  EXPECT_EQ(FindInvalidUtf8("\0nul\0"s), kValid);
  EXPECT_EQ(FindInvalidUtf8("\u00e9\u4e2d\U0001F600\U0010FFFF\uFFFD"), kValid);
}

TEST(Utf8Test, TheOffsetOfTheFirstInvalidSequenceIsFound) {
  EXPECT_EQ(FindInvalidUtf8("\x80"), 0u);              // continuation first
  EXPECT_EQ(FindInvalidUtf8("ab\xFF"), 2u);            // never in UTF-8
  EXPECT_EQ(FindInvalidUtf8("a\xC0\x80"), 1u);         // overlong NUL
  EXPECT_EQ(FindInvalidUtf8("\xC1\xBF"), 0u);          // overlong ASCII
  EXPECT_EQ(FindInvalidUtf8("\xE0\x9F\xBF"), 0u);      // overlong U+07FF
  EXPECT_EQ(FindInvalidUtf8("\xED\xA0\x80"), 0u);      // surrogate
  EXPECT_EQ(FindInvalidUtf8("\xF0\x8F\xBF\xBF"), 0u);  // overlong U+FFFF
  EXPECT_EQ(FindInvalidUtf8("\xF4\x90\x80\x80"), 0u);  // U+110000
  EXPECT_EQ(FindInvalidUtf8("\xF5\x80\x80\x80"), 0u);
  EXPECT_EQ(FindInvalidUtf8("\u4e2d\xE4\xB8"), 3u);  // cut
  EXPECT_EQ(FindInvalidUtf8("\xE4\xB8x"), 0u);
}

TEST(Utf8Test, EveryScalarValueSurvivesWritingAndReading) {
  for (char32_t value = 0; value <= 0x10FFFF; ++value) {
    if (value >= 0xD800 && value <= 0xDFFF) continue;
    std::string bytes;
    AppendUtf8(value, &bytes);
    ASSERT_EQ(FindInvalidUtf8(bytes), kValid) << uint32_t{value};
    const DecodedCharacter character = DecodeUtf8(bytes + "x");
    ASSERT_EQ(character.value, value);
    ASSERT_EQ(character.size, bytes.size());
  }
}

TEST(Utf8Test, AnInvalidByteDecodesAsOneReplacementCharacter) {
  for (const std::string_view bytes : {"\xFF", "\xE4\xB8", "\xED\xA0\x80", "\x80x"}) {
    const DecodedCharacter character = DecodeUtf8(bytes);
    EXPECT_EQ(character.value, kReplacementCharacter);
    EXPECT_EQ(character.size, 1u);
  }
}

}  // namespace
}  // namespace llmrt::text
