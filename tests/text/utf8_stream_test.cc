#include "text/utf8_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/test_seed.h"
#include "tests/text/small_tokenizers.h"
#include "text/utf8.h"

namespace llmrt::text {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

// Feeds everything in one piece.
std::string Decode(std::string_view bytes) {
  Utf8Stream stream;
  std::string text = stream.Feed(bytes);
  return text + stream.Flush();
}

// Whether some valid sequence starts with `part`, found by trying: the bounds of second bytes are
// multiples of 16, so four candidates a byte are enough.
bool StartsValidSequence(std::string part) {
  if (FindInvalidUtf8(part) == std::string_view::npos) return true;
  if (part.size() >= 4) return false;
  for (const char next : {'\x80', '\x90', '\xA0', '\xBF'}) {
    if (StartsValidSequence(part + next)) return true;
  }
  return false;
}

// The rule of maximal subparts, word by word: the longest start that could become a character is
// one character or one U+FFFD.
std::string DecodeByTheRule(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    size_t size = 1;
    while (size < 4 && size < bytes.size() &&
           FindInvalidUtf8(bytes.substr(0, size)) != std::string_view::npos &&
           StartsValidSequence(std::string(bytes.substr(0, size + 1)))) {
      ++size;
    }
    const bool valid = FindInvalidUtf8(bytes.substr(0, size)) == std::string_view::npos;
    text += valid ? bytes.substr(0, size) : kReplacement;
    bytes.remove_prefix(size);
  }
  return text;
}

TEST(Utf8StreamTest, EverySplitPointOfATextGivesTheSameCharacters) {
  const std::string text =
      "a\u00e9\u4e2d\U0001F600\U0001F468\u200D\U0001F469\u200D\U0001F467z\u0301";
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      Utf8Stream stream;
      std::string out;
      for (const auto& [begin, end] :
           {std::pair{size_t{0}, first}, {first, second}, {second, text.size()}}) {
        const std::string part = stream.Feed(std::string_view(text).substr(begin, end - begin));
        // What comes out is whole characters, as early as they are whole.
        ASSERT_EQ(FindInvalidUtf8(part), std::string_view::npos);
        out += part;
        ASSERT_EQ(out.size() + static_cast<size_t>(stream.pending_bytes()), end);
      }
      ASSERT_EQ(out, text);
      ASSERT_EQ(stream.Flush(), "");
    }
  }
}

TEST(Utf8StreamTest, AnIncompleteTailIsKeptAndFlushedAsOneReplacement) {
  Utf8Stream stream;
  EXPECT_EQ(stream.Feed("ok\xF0\x9F\x98"), "ok");
  EXPECT_EQ(stream.pending_bytes(), 3);
  EXPECT_EQ(stream.Feed(""), "");
  EXPECT_EQ(stream.Flush(), kReplacement);
  EXPECT_EQ(stream.pending_bytes(), 0);
  EXPECT_EQ(stream.Flush(), "");
  EXPECT_EQ(stream.Feed("\u4e2d"), "\u4e2d");
}

TEST(Utf8StreamTest, InvalidBytesBecomeReplacementsByMaximalSubparts) {
  const auto replaced = [](int count, std::string_view rest) {
    std::string text;
    for (int i = 0; i < count; ++i) text += kReplacement;
    return text + std::string(rest);
  };
  EXPECT_EQ(Decode("\xFFx"), replaced(1, "x"));
  EXPECT_EQ(Decode("\x80\x80x"), replaced(2, "x"));
  EXPECT_EQ(Decode("\xC0\x80x"), replaced(2, "x"));          // C0 starts nothing
  EXPECT_EQ(Decode("\xE4\xB8x"), replaced(1, "x"));          // one part of two bytes
  EXPECT_EQ(Decode("\xE0\x80x"), replaced(2, "x"));          // 80 cannot follow E0
  EXPECT_EQ(Decode("\xED\xA0\x80x"), replaced(3, "x"));      // a surrogate
  EXPECT_EQ(Decode("\xF0\x9F\x98x"), replaced(1, "x"));      // one part of three bytes
  EXPECT_EQ(Decode("\xF4\x90\x80\x80x"), replaced(4, "x"));  // past U+10FFFF
  EXPECT_EQ(Decode("\xE4\xE4\xB8\xAD"), replaced(1, "\u4e2d"));
  EXPECT_EQ(Decode("\xF0\x9F\u4e2d"), replaced(1, "\u4e2d"));
}

TEST(Utf8StreamTest, RandomBytesFollowTheRuleHoweverTheyAreCut) {
  std::mt19937 random(testing::TestSeed());
  // Bytes near the bounds of the tables, where the mistakes are.
  constexpr std::string_view kBytes =
      "a\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xEC\xED\xEE\xEF\xF0\xF1\xF3\xF4\xF5"
      "\xFF";
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    const int length = static_cast<int>(random() % 12);
    for (int i = 0; i < length; ++i) bytes.push_back(kBytes[random() % kBytes.size()]);
    const std::string expected = DecodeByTheRule(bytes);
    ASSERT_EQ(Decode(bytes), expected);

    Utf8Stream stream;
    std::string cut;
    for (size_t pos = 0; pos < bytes.size();) {
      const size_t size = 1 + random() % 3;
      cut += stream.Feed(std::string_view(bytes).substr(pos, size));
      pos += size;
    }
    ASSERT_EQ(cut + stream.Flush(), expected);
  }
}

}  // namespace
}  // namespace llmrt::text
