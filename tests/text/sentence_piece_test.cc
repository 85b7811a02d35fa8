#include "text/sentence_piece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/test_seed.h"
#include "tests/text/small_tokenizers.h"
#include "text/utf8.h"

namespace llmrt::text {
namespace {

using formats::TokenizerData;
using formats::TokenKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// An encoder and the vocabulary that it refers to.
class Model {
 public:
  explicit Model(TokenizerData data, bool add_space_prefix = true, bool collapse = false) {
    SentencePieceOptions options{data.scores, add_space_prefix, collapse};
    vocabulary_ = *Vocabulary::Create(&data);
    encoder_ = *SentencePiece::Create(*vocabulary_, std::move(options));
  }

  std::vector<int32_t> Ids(std::string_view text, bool starts_section = true) const {
    std::vector<int32_t> ids;
    const absl::Status status = encoder_->Encode(text, starts_section, &ids);
    EXPECT_TRUE(status.ok()) << status;
    return ids;
  }

  std::vector<std::string> Pieces(std::string_view text, bool starts_section = true) const {
    std::vector<std::string> pieces;
    for (const int32_t id : Ids(text, starts_section)) {
      pieces.emplace_back(vocabulary_->piece(id));
    }
    return pieces;
  }

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  const SentencePiece& encoder() const { return *encoder_; }

 private:
  std::unique_ptr<Vocabulary> vocabulary_;
  std::unique_ptr<SentencePiece> encoder_;
};

TEST(SentencePieceTest, TheHighestScoreMergesFirst) {
  const Model model(SmallSentencePiece(), /*add_space_prefix=*/false);
  // "ab" has the highest score, so "abc" is ab + c, and "bc" never gets a chance.
  EXPECT_THAT(model.Pieces("abc"), ElementsAre("abc"));
  EXPECT_THAT(model.Pieces("bcd"), ElementsAre("bc", "d"));
  EXPECT_THAT(model.Pieces("dede"), ElementsAre("de", "de"));
}

TEST(SentencePieceTest, EqualScoresMergeFromTheLeft) {
  const Model model(SmallSentencePiece(), /*add_space_prefix=*/false);
  EXPECT_THAT(model.Pieces("aaa"), ElementsAre("aa", "a"));
  EXPECT_THAT(model.Pieces("aaaaaaa"), ElementsAre("aaaa", "aa", "a"));
}

TEST(SentencePieceTest, ASectionStartsWithAnImpliedSpace) {
  const Model model(SmallSentencePiece());
  EXPECT_THAT(model.Pieces("ab"), ElementsAre("\u2581ab"));
  EXPECT_THAT(model.Pieces("ab", /*starts_section=*/false), ElementsAre("ab"));
  EXPECT_THAT(model.Pieces(" d"), ElementsAre("\u2581\u2581", "d"));
  EXPECT_THAT(model.Pieces(""), IsEmpty());
  EXPECT_THAT(Model(SmallSentencePiece(), /*add_space_prefix=*/false).Pieces(" d"),
              ElementsAre("\u2581", "d"));
}

TEST(SentencePieceTest, SpacesCollapseWhereTheModelAsksForIt) {
  const Model model(SmallSentencePiece(), true, /*collapse=*/true);
  EXPECT_THAT(model.Pieces("  d   e "), ElementsAre("\u2581", "d", "\u2581", "e"));
  EXPECT_THAT(model.Pieces("   "), IsEmpty());
}

TEST(SentencePieceTest, CharactersWithoutATokenFallBackToBytes) {
  const Model model(SmallSentencePiece(), /*add_space_prefix=*/false);
  EXPECT_THAT(model.Pieces("\u00e9"), ElementsAre("\u00e9"));
  EXPECT_THAT(model.Pieces("\u00e8\n"), ElementsAre("<0xC3>", "<0xA8>", "<0x0A>"));
  EXPECT_THAT(model.Pieces(std::string_view("\0", 1)), ElementsAre("<0x00>"));
}

TEST(SentencePieceTest, NoTextSpellsOutControlOrByteTokens) {
  TokenizerData data = SmallSentencePiece();
  // Give merging every chance to reach "</s>".
  for (const std::string_view piece : {"<", "/", "s", ">", "</", "</s"}) AddToken(&data, piece);
  const Model model(data, /*add_space_prefix=*/false);
  EXPECT_THAT(model.Pieces("</s>"), ElementsAre("</s", ">"));
}

TEST(SentencePieceTest, UnusedTokensAreStepsButNeverResults) {
  TokenizerData data;
  for (const std::string_view piece : {"a", "b", "c", "d"}) AddToken(&data, piece);
  AddToken(&data, "ab", TokenKind::kUnused, 10);
  AddToken(&data, "abc", TokenKind::kNormal, 5);
  AddToken(&data, "cd", TokenKind::kUnused, 1);
  AddToken(&data, "abcd", TokenKind::kUnused, 0);
  const Model model(data, /*add_space_prefix=*/false);
  EXPECT_THAT(model.Pieces("abc"), ElementsAre("abc"));
  EXPECT_THAT(model.Pieces("abd"), ElementsAre("a", "b", "d"));
  EXPECT_THAT(model.Pieces("abcd"), ElementsAre("abc", "d"));
}

TEST(SentencePieceTest, DeepNestingOfUnusedTokensNeedsNoStack) {
  // "aa", "aaa", ... are all unused: 3000 letters are taken apart again one by one.
  TokenizerData data;
  AddToken(&data, "a");
  for (int size = 2; size <= 3000; ++size) {
    AddToken(&data, std::string(static_cast<size_t>(size), 'a'), TokenKind::kUnused, size);
  }
  const Model model(data, /*add_space_prefix=*/false);
  EXPECT_EQ(model.Ids(std::string(3000, 'a')), std::vector<int32_t>(3000, 0));
}

TEST(SentencePieceTest, WithoutBytesUnknownCharactersAreOneUnknownToken) {
  TokenizerData data;
  data.unknown_id = AddToken(&data, "<unk>", TokenKind::kUnknown);
  AddToken(&data, "a");
  const Model model(data, /*add_space_prefix=*/false);
  EXPECT_THAT(model.Ids("xyaz"), ElementsAre(0, 1, 0));
}

TEST(SentencePieceTest, WithoutBytesAndUnknownTokenTheCharacterIsNamed) {
  TokenizerData data;
  AddToken(&data, "a");
  const Model model(data, /*add_space_prefix=*/false);
  std::vector<int32_t> ids;
  const absl::Status status = model.encoder().Encode("ax", true, &ids);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("\"x\""));
}

TEST(SentencePieceTest, BadScoresAndByteNamesAreRefused) {
  const auto create = [](TokenizerData data) {
    SentencePieceOptions options{data.scores};
    const auto vocabulary = Vocabulary::Create(&data);
    return SentencePiece::Create(**vocabulary, std::move(options)).status();
  };
  TokenizerData data = SmallSentencePiece();
  data.scores.pop_back();
  EXPECT_EQ(create(data).code(), absl::StatusCode::kDataLoss);
  data = SmallSentencePiece();
  data.scores[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(create(data).code(), absl::StatusCode::kInvalidArgument);
  data = SmallSentencePiece();
  data.scores[7] = -std::numeric_limits<float>::infinity();
  EXPECT_TRUE(create(data).ok());
  AddToken(&data, "<0xZZ>", TokenKind::kByte);
  EXPECT_EQ(create(data).code(), absl::StatusCode::kInvalidArgument);
  data = SmallSentencePiece();
  data.scores.clear();
  EXPECT_TRUE(create(data).ok());
}

TEST(SentencePieceTest, TokenBytesAreRunningText) {
  const Model model(SmallSentencePiece());
  const auto bytes = [&](std::string_view piece) {
    return model.encoder().TokenBytes(model.vocabulary().Find(piece));
  };
  EXPECT_EQ(bytes("\u2581ab"), " ab");
  EXPECT_EQ(bytes("\u2581\u2581"), "  ");
  EXPECT_EQ(bytes("<0xC3>"), "\xC3");
  EXPECT_EQ(bytes("<tool>"), "<tool>");
  EXPECT_TRUE(model.encoder().HasImpliedSpace(model.vocabulary().Find("\u2581ab")));
  EXPECT_FALSE(model.encoder().HasImpliedSpace(model.vocabulary().Find("ab")));
}

// The definition, without a heap: of all neighbours whose union is a token, the one with the
// highest score, of equal ones the leftmost, until there is none.
std::vector<int32_t> MergePlainly(const Model& model, std::string_view text) {
  std::vector<std::string> symbols;
  while (!text.empty()) {
    const size_t size = DecodeUtf8(text).size;
    symbols.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  while (true) {
    size_t best = symbols.size();
    float best_score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const int32_t id = model.encoder().FindMergeable(symbols[i] + symbols[i + 1]);
      if (id < 0 || (best < symbols.size() && model.encoder().score(id) <= best_score)) continue;
      best = i;
      best_score = model.encoder().score(id);
    }
    if (best == symbols.size()) break;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<int64_t>(best) + 1);
  }
  std::vector<int32_t> ids;
  for (const std::string& symbol : symbols) {
    const int32_t id = model.encoder().FindMergeable(symbol);
    if (id >= 0) {
      ids.push_back(id);
    } else {
      EXPECT_TRUE(model.encoder().AppendFallback(symbol, &ids).ok());
    }
  }
  return ids;
}

TEST(SentencePieceTest, RandomTextsAgreeWithMergingByDefinition) {
  std::mt19937 random(testing::TestSeed());
  for (int round = 0; round < 200; ++round) {
    TokenizerData data = SmallSentencePiece();
    // Few distinct scores, so that ties decide.
    for (float& score : data.scores) score = static_cast<float>(random() % 4);
    const Model model(data, /*add_space_prefix=*/false);
    for (int i = 0; i < 20; ++i) {
      std::string text;
      const size_t length = random() % 24;
      for (size_t k = 0; k < length; ++k) text += "aabbccdex"[random() % 9];
      ASSERT_EQ(model.Ids(text), MergePlainly(model, text)) << text;
    }
  }
}

TEST(SentencePieceTest, AMillionEqualCharactersFinish) {
  const Model model(SmallSentencePiece());
  EXPECT_EQ(model.Ids(std::string(1000000, 'a')).size(), 250002u);  // \u2581a, 249999 aaaa, aa, a
  EXPECT_EQ(model.Ids(std::string(1000000, ' ')).size(), 500001u);
  EXPECT_EQ(model.Ids(std::string(1000000, 'x')).size(), 1000001u);
}

}  // namespace
}  // namespace llmrt::text
