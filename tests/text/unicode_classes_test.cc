#include "text/unicode_classes.h"

#include <gtest/gtest.h>

#include <string_view>

namespace llmrt::text {
namespace {

void ExpectClass(std::u32string_view values, CharClass expected) {
  for (const char32_t value : values) {
    EXPECT_EQ(ClassOf(value), expected) << std::hex << uint32_t{value};
  }
}

TEST(UnicodeClassesTest, LettersOfAllScriptsAreLetters) {
  ExpectClass(U"aZ\u00e9\u00df\u03a9\u0416\u05d0\u0639\u0905\u4e2d\uac00\u3042\u02b0\U0001D400",
              CharClass::kLetter);
}

TEST(UnicodeClassesTest, DecimalsLetterNumbersAndFractionsAreNumbers) {
  ExpectClass(U"09\u0663\u0966\u2167\u00bd\u00b2\u3007\U0001D7D8", CharClass::kNumber);
}

TEST(UnicodeClassesTest, SymbolsMarksAndControlsAreNeither) {
  // In Unicode $ + < = > ^ ` | ~ are symbols, not punctuation.
  ExpectClass(U"$+<=>^`|~\u0301\u20ac\u200d\U0001F600\x01\x1c\x7f\ufffd", CharClass::kOther);
  EXPECT_EQ(ClassOf(0), CharClass::kOther);
}

TEST(UnicodeClassesTest, PunctuationIsItsOwnClass) {
  ExpectClass(U"!\"#%&'()*,-./:;?@[\\]_{}\u00a1\u2014\u3002\u2019", CharClass::kPunctuation);
}

TEST(UnicodeClassesTest, WhitespaceIsTheUnicodePropertyOf25Characters) {
  int count = 0;
  for (char32_t value = 0; value <= 0x10FFFF; ++value) {
    if (IsWhitespace(value)) {
      ++count;
      EXPECT_EQ(ClassOf(value), CharClass::kWhitespace);
    }
  }
  EXPECT_EQ(count, 25);
  for (const char32_t value :
       {0x09, 0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x3000}) {
    EXPECT_TRUE(IsWhitespace(value)) << std::hex << uint32_t{value};
  }
  // Separators of information, zero-width and Mongolian vowel separators are not in it.
  for (const char32_t value : {0x1C, 0x1F, 0x180E, 0x200B, 0x2060, 0xFEFF}) {
    EXPECT_FALSE(IsWhitespace(value)) << std::hex << uint32_t{value};
  }
}

TEST(UnicodeClassesTest, ValuesThatAreNoCharactersAreOther) {
  for (const char32_t value : {0xD800, 0xDFFF, 0xFFFF, 0x10FFFF, 0x110000}) {
    EXPECT_EQ(ClassOf(value), CharClass::kOther);
  }
  EXPECT_EQ(ClassOf(0xFFFFFFFF), CharClass::kOther);
}

}  // namespace
}  // namespace llmrt::text
