#include "synth/filler_vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "text/tokenizer.h"

namespace llmrt::synth {
namespace {

std::unique_ptr<text::Tokenizer> MakeTokenizer(int32_t size) {
  const FillerVocabulary vocabulary = MakeFillerVocabulary(size);
  formats::TokenizerData data;
  data.model = "llama";
  data.tokens = vocabulary.tokens;
  data.scores = vocabulary.scores;
  for (const int32_t kind : vocabulary.kinds) {
    data.kinds.push_back(static_cast<formats::TokenKind>(kind));
  }
  data.unknown_id = 0;
  data.bos_id = 1;
  data.eos_id = 2;
  data.add_bos = true;
  auto tokenizer = text::Tokenizer::Create(std::move(data));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

TEST(FillerVocabularyTest, HasAsManyTokensAsAskedForAndNoneTwice) {
  for (const int32_t size : {kFillerVocabularyMin, kFillerVocabularyMin + 1, 1024, 128256}) {
    const FillerVocabulary vocabulary = MakeFillerVocabulary(size);
    ASSERT_EQ(vocabulary.tokens.size(), static_cast<size_t>(size));
    EXPECT_EQ(vocabulary.scores.size(), vocabulary.tokens.size());
    EXPECT_EQ(vocabulary.kinds.size(), vocabulary.tokens.size());
    EXPECT_EQ(std::set<std::string>(vocabulary.tokens.begin(), vocabulary.tokens.end()).size(),
              vocabulary.tokens.size());
  }
}

TEST(FillerVocabularyTest, ScoresOfWordsFall) {
  const FillerVocabulary vocabulary = MakeFillerVocabulary(5000);
  EXPECT_TRUE(
      std::is_sorted(vocabulary.scores.rbegin(), vocabulary.scores.rend() - kFillerVocabularyMin));
  EXPECT_LT(vocabulary.scores[kFillerVocabularyMin], 0);
}

TEST(FillerVocabularyTest, AnyTextSurvivesTheTokenizer) {
  const auto tokenizer = MakeTokenizer(4096);
  ASSERT_NE(tokenizer, nullptr);
  for (const std::string text :
       {"the cat sat on the mat", "Capital, 42!\n\ttab", "\xc3\xa4 \xe2\x82\xac"}) {
    const auto ids = tokenizer->Encode(text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(ids->front(), 1);
    EXPECT_EQ(tokenizer->Decode(*ids), text);
  }
}

TEST(FillerVocabularyTest, WordsAreMergedFromLetters) {
  const auto tokenizer = MakeTokenizer(4096);
  ASSERT_NE(tokenizer, nullptr);
  const auto ids = tokenizer->Encode("ab ab ab", {.add_special = false});
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(ids->size(), 3u);
}

}  // namespace
}  // namespace llmrt::synth
