#include "text/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "tests/text/small_tokenizers.h"

namespace llmrt::text {
namespace {

using formats::TokenizerData;
using formats::TokenizerFamily;
using formats::TokenKind;
using ::testing::HasSubstr;

std::unique_ptr<Vocabulary> Create(TokenizerData data) {
  absl::StatusOr<std::unique_ptr<Vocabulary>> vocabulary = Vocabulary::Create(&data);
  EXPECT_TRUE(vocabulary.ok()) << vocabulary.status();
  return *std::move(vocabulary);
}

absl::Status CreateStatus(TokenizerData data) { return Vocabulary::Create(&data).status(); }

TEST(VocabularyTest, TokensAreFoundByTextAndById) {
  const auto vocabulary = Create(SmallByteLevel());
  const int32_t id = vocabulary->Find("abc");
  ASSERT_GE(id, 0);
  EXPECT_EQ(vocabulary->piece(id), "abc");
  EXPECT_EQ(vocabulary->kind(id), TokenKind::kNormal);
  EXPECT_EQ(vocabulary->Find("absent"), -1);
  EXPECT_EQ(vocabulary->Find(std::string(1000, 'a')), -1);
  EXPECT_EQ(vocabulary->Find(""), -1);
  EXPECT_EQ(vocabulary->longest(), std::string("<|im_end|>").size());
}

TEST(VocabularyTest, AnEmptyVocabularyIsRefused) {
  EXPECT_EQ(CreateStatus({}).code(), absl::StatusCode::kInvalidArgument);
}

TEST(VocabularyTest, SpecialIdsMustLieInTheVocabulary) {
  TokenizerData data = SmallByteLevel();
  data.eos_id = static_cast<int32_t>(data.tokens.size());
  EXPECT_EQ(CreateStatus(data).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(CreateStatus(data).message(), HasSubstr("EOS id is 268; the vocabulary has 268"));
  for (int32_t TokenizerData::*id : {&TokenizerData::bos_id, &TokenizerData::eot_id,
                                     &TokenizerData::unknown_id, &TokenizerData::pad_id}) {
    for (const int32_t bad : {-2, 1000000, std::numeric_limits<int32_t>::min()}) {
      data = SmallByteLevel();
      data.*id = bad;
      EXPECT_EQ(CreateStatus(data).code(), absl::StatusCode::kInvalidArgument);
    }
  }
}

TEST(VocabularyTest, KindsOfAnotherCountAreDataLoss) {
  TokenizerData data = SmallByteLevel();
  data.kinds.pop_back();
  EXPECT_EQ(CreateStatus(data).code(), absl::StatusCode::kDataLoss);
}

TEST(VocabularyTest, KindsOutsideTheEnumerationAreNormal) {
  TokenizerData data = SmallByteLevel();
  data.kinds[5] = static_cast<TokenKind>(0);
  data.kinds[6] = static_cast<TokenKind>(77);
  const auto vocabulary = Create(data);
  EXPECT_EQ(vocabulary->kind(5), TokenKind::kNormal);
  EXPECT_EQ(vocabulary->kind(6), TokenKind::kNormal);
}

TEST(VocabularyTest, WithoutKindsSpecialIdsAreControlAndByteNamesAreBytes) {
  TokenizerData data = SmallSentencePiece();
  data.kinds.clear();
  const auto vocabulary = Create(data);
  EXPECT_EQ(vocabulary->kind(data.bos_id), TokenKind::kControl);
  EXPECT_EQ(vocabulary->kind(data.unknown_id), TokenKind::kUnknown);
  EXPECT_EQ(vocabulary->kind(3 + 0x41), TokenKind::kByte);
  EXPECT_EQ(vocabulary->kind(vocabulary->Find("ab")), TokenKind::kNormal);
}

TEST(VocabularyTest, OfTokensWithOneTextTheMostOrdinaryThenTheFirstIsFound) {
  TokenizerData data;
  AddToken(&data, "x", TokenKind::kControl);
  const int32_t normal = AddToken(&data, "x", TokenKind::kNormal);
  AddToken(&data, "x", TokenKind::kNormal);
  AddToken(&data, "");
  AddToken(&data, "");
  const auto vocabulary = Create(data);
  EXPECT_EQ(vocabulary->Find("x"), normal);
  EXPECT_EQ(vocabulary->size(), 5);
}

TEST(VocabularyTest, EndTokensAreControlWhateverTheFileSays) {
  TokenizerData data = SmallByteLevel();
  const int32_t end = AddToken(&data, "<|endoftext|>", TokenKind::kUserDefined);
  data.eot_id = 'z';
  const auto vocabulary = Create(data);
  EXPECT_EQ(vocabulary->kind(end), TokenKind::kControl);
  EXPECT_TRUE(vocabulary->ends_generation(end));
  EXPECT_TRUE(vocabulary->ends_generation(data.eos_id));
  EXPECT_TRUE(vocabulary->ends_generation('z'));
  EXPECT_FALSE(vocabulary->ends_generation('y'));
}

TEST(VocabularyTest, AMillionTokensAreFine) {
  TokenizerData data;
  for (int i = 0; i < 1000000; ++i) AddToken(&data, std::to_string(i));
  const auto vocabulary = Create(std::move(data));
  EXPECT_EQ(vocabulary->Find("999999"), 999999);
}

TEST(VocabularyTest, BytePiecesAreParsed) {
  EXPECT_EQ(ParseBytePiece("<0x00>"), 0);
  EXPECT_EQ(ParseBytePiece("<0xAb>"), 0xAB);
  for (const std::string_view piece :
       {"", "<0x>", "<0x0>", "<0x0G>", "<0x000>", "[0x00]", "<0x00", "0x0000"}) {
    EXPECT_EQ(ParseBytePiece(piece), -1) << piece;
  }
}

}  // namespace
}  // namespace llmrt::text
