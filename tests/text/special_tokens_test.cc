#include "text/special_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/text/small_tokenizers.h"
#include "text/vocabulary.h"

namespace llmrt::text {
namespace {

using formats::TokenizerData;
using formats::TokenKind;
using Recognize = SpecialTokens::Recognize;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A vocabulary of user-defined tokens and one control token "<c>", ids in order from 0.
TokenizerData UserDefined(const std::vector<std::string>& pieces) {
  TokenizerData data;
  for (const std::string& piece : pieces) AddToken(&data, piece, TokenKind::kUserDefined);
  AddToken(&data, "<c>", TokenKind::kControl);
  AddToken(&data, "<u>", TokenKind::kUnknown);
  return data;
}

// "[text]" for ordinary text, "id" for tokens.
std::vector<std::string> Split(TokenizerData data, std::string_view text,
                               Recognize recognize = Recognize::kUserDefined) {
  const auto vocabulary = Vocabulary::Create(&data);
  EXPECT_TRUE(vocabulary.ok()) << vocabulary.status();
  const absl::StatusOr<SpecialTokens> special = SpecialTokens::Create(**vocabulary, recognize);
  EXPECT_TRUE(special.ok()) << special.status();
  std::vector<std::string> parts;
  std::string joined;
  for (const TextFragment& fragment : special->Split(text)) {
    EXPECT_FALSE(fragment.text.empty());
    joined += fragment.text;
    parts.push_back(fragment.token >= 0 ? std::to_string(fragment.token)
                                        : "[" + std::string(fragment.text) + "]");
  }
  EXPECT_EQ(joined, text);
  return parts;
}

TEST(SpecialTokensTest, TextWithoutTokensIsOneFragment) {
  EXPECT_THAT(Split(UserDefined({"<x>"}), "plain"), ElementsAre("[plain]"));
  EXPECT_THAT(Split(UserDefined({"<x>"}), ""), IsEmpty());
  EXPECT_THAT(Split(UserDefined({}), "plain"), ElementsAre("[plain]"));
}

TEST(SpecialTokensTest, TokensAreCutOut) {
  EXPECT_THAT(Split(UserDefined({"<x>"}), "a<x>b<x>"), ElementsAre("[a]", "0", "[b]", "0"));
  EXPECT_THAT(Split(UserDefined({"<x>"}), "<x><x>"), ElementsAre("0", "0"));
  EXPECT_THAT(Split(UserDefined({"<x>"}), "<x<x>"), ElementsAre("[<x]", "0"));
}

TEST(SpecialTokensTest, TheLeftmostThenTheLongestWins) {
  EXPECT_THAT(Split(UserDefined({"ab", "abcd", "bcdef"}), "abcdef"), ElementsAre("1", "[ef]"));
  EXPECT_THAT(Split(UserDefined({"ab", "abcd"}), "abcx"), ElementsAre("0", "[cx]"));
  EXPECT_THAT(Split(UserDefined({" ", "  ", "    "}), "       "), ElementsAre("2", "1", "0"));
}

TEST(SpecialTokensTest, ControlAndUnknownTokensOnlyOnRequest) {
  EXPECT_THAT(Split(UserDefined({"<x>"}), "<c><u><x>"), ElementsAre("[<c><u>]", "0"));
  EXPECT_THAT(Split(UserDefined({"<x>"}), "<c><u><x>", Recognize::kAll),
              ElementsAre("1", "2", "0"));
}

TEST(SpecialTokensTest, EmptyAndInvalidTokensAreNeverFound) {
  EXPECT_THAT(Split(UserDefined({"", "\xC3", "<x>"}), "\u00e9<x>"), ElementsAre("[\u00e9]", "2"));
}

TEST(SpecialTokensTest, OfEqualTokensTheFirstIsMeant) {
  EXPECT_THAT(Split(UserDefined({"<x>", "<x>"}), "<x>"), ElementsAre("0"));
}

TEST(SpecialTokensTest, ATokenTooLongForAnyRealModelIsRefused) {
  TokenizerData data = UserDefined({std::string(1024, 'a')});
  EXPECT_TRUE(SpecialTokens::Create(**Vocabulary::Create(&data), Recognize::kAll).ok());
  data = UserDefined({std::string(1025, 'a')});
  const auto vocabulary = Vocabulary::Create(&data);
  EXPECT_EQ(SpecialTokens::Create(**vocabulary, Recognize::kAll).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace llmrt::text
