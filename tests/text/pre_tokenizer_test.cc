#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/test_seed.h"
#include "tests/text/small_tokenizers.h"

namespace llmrt::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string_view> Split(std::string_view name, std::string_view text) {
  const absl::StatusOr<PreTokenizer> pre_tokenizer = PreTokenizer::Create(name);
  EXPECT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.status();
  return pre_tokenizer->Split(text);
}

constexpr std::string_view kNames[] = {"default", "gpt-2", "llama-bpe", "qwen2", "starcoder"};

TEST(PreTokenizerTest, AnUnknownNameIsUnimplementedAndTheKnownOnesAreNamed) {
  const absl::Status status = PreTokenizer::Create("tekken").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("\"tekken\""));
  for (const std::string_view name : kNames) EXPECT_THAT(status.message(), HasSubstr(name));
}

TEST(PreTokenizerTest, AFileThatNamesNoneGetsTheDefault) {
  EXPECT_EQ(Split("", "a+b 1234"), Split("default", "a+b 1234"));
}

TEST(PreTokenizerTest, OnlyTheLlama3FamilyTakesWholePreTokensFirst) {
  for (const std::string_view name : kNames) {
    EXPECT_EQ(PreTokenizer::Create(name)->whole_pre_tokens_first(), name == "llama-bpe");
  }
}

TEST(PreTokenizerTest, AnEmptyTextHasNoPreTokens) {
  for (const std::string_view name : kNames) EXPECT_THAT(Split(name, ""), IsEmpty());
}

TEST(PreTokenizerTest, Gpt2KeepsOneSpaceBeforeWordsNumbersAndSymbols) {
  EXPECT_THAT(Split("gpt-2", "Hello  world 42 !?"),
              ElementsAre("Hello", " ", " world", " 42", " !?"));
  EXPECT_THAT(Split("gpt-2", "x=1.5e3"), ElementsAre("x", "=", "1", ".", "5", "e", "3"));
  EXPECT_THAT(Split("gpt-2", "\tx"), ElementsAre("\t", "x"));
}

TEST(PreTokenizerTest, Gpt2ContractionsAreLowerCaseOnly) {
  EXPECT_THAT(Split("gpt-2", "I'll we've he'd"),
              ElementsAre("I", "'ll", " we", "'ve", " he", "'d"));
  EXPECT_THAT(Split("gpt-2", "I'LL"), ElementsAre("I", "'", "LL"));
  EXPECT_THAT(Split("gpt-2", "'"), ElementsAre("'"));
  EXPECT_THAT(Split("gpt-2", "x'r"), ElementsAre("x", "'", "r"));
}

TEST(PreTokenizerTest, TrailingWhitespaceIsOnePreToken) {
  EXPECT_THAT(Split("gpt-2", "a   "), ElementsAre("a", "   "));
  EXPECT_THAT(Split("gpt-2", "a \n\n b"), ElementsAre("a", " \n\n", " b"));
  EXPECT_THAT(Split("qwen2", "a   "), ElementsAre("a", "   "));
}

TEST(PreTokenizerTest, UnicodeWhitespaceIsWhitespaceButNoSpace) {
  // U+3000 is \s, so it is no symbol; but the optional space of a word is U+0020 alone.
  EXPECT_THAT(Split("gpt-2", "a\u3000b"), ElementsAre("a", "\u3000", "b"));
  EXPECT_THAT(Split("gpt-2", "a\u00a0\u0085b"), ElementsAre("a", "\u00a0", "\u0085", "b"));
  // U+001C is not.
  EXPECT_THAT(Split("gpt-2", "a \x1c"), ElementsAre("a", " \x1c"));
}

TEST(PreTokenizerTest, LlamaContractionsIgnoreCase) {
  EXPECT_THAT(Split("llama-bpe", "I'LL he'S"), ElementsAre("I", "'LL", " he", "'S"));
  EXPECT_THAT(Split("qwen2", "We'Ve"), ElementsAre("We", "'Ve"));
  // The long s is a case variant of s.
  EXPECT_THAT(Split("llama-bpe", "x'\u017f"), ElementsAre("x", "'\u017f"));
}

TEST(PreTokenizerTest, LlamaWordsTakeOneLeadingCharacterThatIsNoNewline) {
  EXPECT_THAT(Split("llama-bpe", "(foo) _bar\tbaz\nqux"),
              ElementsAre("(foo", ")", " _", "bar", "\tbaz", "\n", "qux"));
}

TEST(PreTokenizerTest, LlamaNumbersComeInThreesAndQwenNumbersAlone) {
  EXPECT_THAT(Split("llama-bpe", "1234567"), ElementsAre("123", "456", "7"));
  EXPECT_THAT(Split("qwen2", "123"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Split("llama-bpe", " 12"), ElementsAre(" ", "12"));
}

TEST(PreTokenizerTest, LlamaSymbolsTakeTheNewlinesBehindThem) {
  EXPECT_THAT(Split("llama-bpe", "a);\r\n\r\n  b"), ElementsAre("a", ");\r\n\r\n", " ", " b"));
  EXPECT_THAT(Split("qwen2", " !\n"), ElementsAre(" !\n"));
}

TEST(PreTokenizerTest, LlamaWhitespaceEndsAtItsLastNewline) {
  EXPECT_THAT(Split("llama-bpe", "a \n \n  b"), ElementsAre("a", " \n \n", " ", " b"));
  EXPECT_THAT(Split("llama-bpe", "\n\n"), ElementsAre("\n\n"));
  EXPECT_THAT(Split("llama-bpe", "   a"), ElementsAre("  ", " a"));
}

TEST(PreTokenizerTest, StarcoderTakesDigitsOutFirst) {
  EXPECT_THAT(Split("starcoder", "a 12b"), ElementsAre("a", " ", "1", "2", "b"));
  // The end of a piece is the end of text to the next step: both spaces stay together.
  EXPECT_THAT(Split("starcoder", "a  1"), ElementsAre("a", "  ", "1"));
  EXPECT_THAT(Split("smollm", "a\u00bd"), ElementsAre("a", "\u00bd"));
}

TEST(PreTokenizerTest, TheDefaultSplitsPunctuationThenWordsThenTriples) {
  EXPECT_THAT(Split("default", "a+=b, c"), ElementsAre("a", "+=", "b", ",", " c"));
  EXPECT_THAT(Split("default", " 12345"), ElementsAre(" ", "123", "45"));
  EXPECT_THAT(Split("default", "don't"), ElementsAre("don", "'", "t"));
  EXPECT_THAT(Split("default", "\u0661\u0662\u0663\u0664"),
              ElementsAre("\u0661\u0662\u0663\u0664"));  // triples are ASCII only
}

TEST(PreTokenizerTest, PreTokensJoinedAreTheText) {
  std::mt19937 random(testing::TestSeed());
  for (int round = 0; round < 2000; ++round) {
    const std::string text = RandomText(&random, static_cast<int>(random() % 20));
    for (const std::string_view name : kNames) {
      std::string joined;
      for (const std::string_view pre_token : Split(name, text)) {
        ASSERT_FALSE(pre_token.empty());
        joined += pre_token;
      }
      ASSERT_EQ(joined, text) << name;
    }
  }
}

TEST(PreTokenizerTest, LongRunsTakeLinearTime) {
  for (const std::string_view name : kNames) {
    // A run of newlines and spaces is where a backtracking engine looks at everything again and
    // again.
    std::string text;
    for (int i = 0; i < 300000; ++i) text += "\n  ";
    EXPECT_FALSE(Split(name, text).empty());
    EXPECT_FALSE(Split(name, std::string(1000000, ' ')).empty());
    EXPECT_FALSE(Split(name, std::string(1000000, '\'')).empty());
  }
}

}  // namespace
}  // namespace llmrt::text
