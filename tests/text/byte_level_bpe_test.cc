#include "text/byte_level_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/test_seed.h"
#include "tests/text/small_tokenizers.h"

namespace llmrt::text {
namespace {

using formats::TokenizerData;
using formats::TokenKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<ByteLevelBpe>> Create(const Vocabulary& vocabulary,
                                                     const TokenizerData& data) {
  return ByteLevelBpe::Create(vocabulary, *PreTokenizer::Create(data.pre_tokenizer), data.merges);
}

// An encoder and the vocabulary that it refers to.
class Model {
 public:
  explicit Model(TokenizerData data) {
    vocabulary_ = *Vocabulary::Create(&data);
    absl::StatusOr<std::unique_ptr<ByteLevelBpe>> encoder = Create(*vocabulary_, data);
    EXPECT_TRUE(encoder.ok()) << encoder.status();
    encoder_ = *std::move(encoder);
  }

  std::vector<int32_t> Ids(std::string_view text) const {
    std::vector<int32_t> ids;
    const absl::Status status = encoder_->Encode(text, true, &ids);
    EXPECT_TRUE(status.ok()) << status;
    return ids;
  }

  std::vector<std::string> Pieces(std::string_view text) const {
    std::vector<std::string> pieces;
    for (const int32_t id : Ids(text)) pieces.emplace_back(vocabulary_->piece(id));
    return pieces;
  }

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  const ByteLevelBpe& encoder() const { return *encoder_; }

 private:
  std::unique_ptr<Vocabulary> vocabulary_;
  std::unique_ptr<ByteLevelBpe> encoder_;
};

absl::Status CreateStatus(TokenizerData data) {
  const auto vocabulary = Vocabulary::Create(&data);
  return Create(**vocabulary, data).status();
}

TEST(ByteLevelBpeTest, TheLowestRankMergesFirst) {
  const Model model(SmallByteLevel());
  EXPECT_THAT(model.Pieces("abc"), ElementsAre("abc"));
  EXPECT_THAT(model.Pieces("bcde"), ElementsAre("b", "cde"));  // d+e before b+c
  EXPECT_THAT(model.Pieces("aaaaa"), ElementsAre("aaaa", "a"));
}

TEST(ByteLevelBpeTest, MergesDoNotCrossPreTokens) {
  const Model model(SmallByteLevel());
  EXPECT_THAT(model.Pieces("a ab"), ElementsAre("a", "\u0120", "ab"));
  // "a b" splits into "a" and " b"; without the split the space would go to no letter.
  EXPECT_THAT(model.Pieces("ab a"), ElementsAre("ab", "\u0120a"));
}

TEST(ByteLevelBpeTest, OtherBytesAreTheirOwnTokens) {
  const Model model(SmallByteLevel());
  EXPECT_THAT(model.Ids("\u00e9\n"), ElementsAre(0xC3, 0xA9, '\n'));
}

TEST(ByteLevelBpeTest, WholePreTokensComeFirstForLlama3) {
  TokenizerData data = SmallByteLevel();
  const int32_t whole = AddToken(&data, "dab");  // no merge leads here
  EXPECT_THAT(Model(data).Pieces("dab"), ElementsAre("d", "ab"));
  data.pre_tokenizer = "llama-bpe";
  EXPECT_THAT(Model(data).Ids("dab"), ElementsAre(whole));
  EXPECT_THAT(Model(data).Pieces("dabd"), ElementsAre("d", "ab", "d"));
}

TEST(ByteLevelBpeTest, AWholePreTokenIsNeverASpecialToken) {
  TokenizerData data = SmallByteLevel();
  data.pre_tokenizer = "llama-bpe";
  AddToken(&data, "dab", TokenKind::kControl);
  EXPECT_THAT(Model(data).Pieces("dab"), ElementsAre("d", "ab"));
}

TEST(ByteLevelBpeTest, MergesThatNameNoTokensAreRefused) {
  for (const std::string_view merge : {"a zz", "zz a", "a", "", " ", "a ", "a x", "x x"}) {
    TokenizerData data = SmallByteLevel();
    data.merges.emplace_back(merge);
    const absl::Status status = CreateStatus(data);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << merge;
    EXPECT_THAT(status.message(), HasSubstr("merge 10 is ")) << merge;
  }
}

TEST(ByteLevelBpeTest, OfEqualMergesTheFirstCounts) {
  TokenizerData data = SmallByteLevel();
  AddMerge(&data, "a", "b");  // at the end: would lose to "b c" and all others
  EXPECT_THAT(Model(data).Pieces("abc"), ElementsAre("abc"));
}

TEST(ByteLevelBpeTest, AMissingByteIsTheUnknownTokenOrAnError) {
  TokenizerData data = SmallByteLevel();
  data.tokens['x'] = "[gone]";
  {
    const Model model(data);
    std::vector<int32_t> ids;
    const absl::Status status = model.encoder().Encode("axa", true, &ids);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("byte 0x78 in \"axa\""));
  }
  data.unknown_id = AddToken(&data, "<unk>", TokenKind::kUnknown);
  EXPECT_THAT(Model(data).Pieces("axa"), ElementsAre("a", "<unk>", "a"));
}

TEST(ByteLevelBpeTest, TokenBytesAreMappedBack) {
  TokenizerData data = SmallByteLevel();
  const int32_t plain = AddToken(&data, "\u4e2d a");  // outside the byte alphabet: as it stands
  const Model model(data);
  EXPECT_EQ(model.encoder().TokenBytes(model.vocabulary().Find("\u0120ab")), " ab");
  EXPECT_EQ(model.encoder().TokenBytes(0xC3), "\xC3");
  EXPECT_EQ(model.encoder().TokenBytes(plain), "\u4e2d a");
  EXPECT_EQ(model.encoder().TokenBytes(model.vocabulary().Find("<tool>")), "<tool>");
}

// The definition, without a heap: of all neighbours that merge, those of the lowest rank, leftmost
// first.
std::vector<int32_t> MergePlainly(const ByteLevelBpe& encoder, std::vector<int32_t> ids) {
  while (true) {
    size_t best = ids.size();
    int32_t best_rank = -1;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const int32_t rank = encoder.FindRank(ids[i], ids[i + 1]);
      if (rank < 0 || (best_rank >= 0 && rank >= best_rank)) continue;
      best = i;
      best_rank = rank;
    }
    if (best_rank < 0) return ids;
    ids[best] = encoder.merge(best_rank).result;
    ids.erase(ids.begin() + static_cast<int64_t>(best) + 1);
  }
}

TEST(ByteLevelBpeTest, RandomTextsAgreeWithMergingByDefinition) {
  std::mt19937 random(testing::TestSeed());
  for (int round = 0; round < 200; ++round) {
    TokenizerData data = SmallByteLevel();
    for (size_t i = 1; i < data.merges.size(); ++i) {
      std::swap(data.merges[i], data.merges[random() % (i + 1)]);
    }
    const Model model(data);
    for (int i = 0; i < 20; ++i) {
      std::string text;
      std::vector<int32_t> bytes;
      const size_t length = random() % 24;
      for (size_t k = 0; k < length; ++k) {
        text += "aaabbccdex"[random() % 10];
        bytes.push_back(text.back());
      }
      ASSERT_EQ(model.Ids(text), MergePlainly(model.encoder(), bytes)) << text;
    }
  }
}

TEST(ByteLevelBpeTest, AMillionEqualLettersFinish) {
  const Model model(SmallByteLevel());
  EXPECT_EQ(model.Ids(std::string(1000000, 'a')).size(), 250000u);
  EXPECT_EQ(model.Ids(std::string(1000000, 'x')).size(), 1000000u);
  std::string pattern;
  for (int i = 0; i < 200000; ++i) pattern += "abcde";
  EXPECT_EQ(model.Ids(pattern).size(), 400000u);  // abc, de
}

}  // namespace
}  // namespace llmrt::text
