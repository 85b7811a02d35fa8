#include "formats/pre_tokenizer_names.h"

#include <set>
#include <string_view>

#include "gtest/gtest.h"

namespace llmrt::formats {
namespace {

TEST(PreTokenizerNamesTest, EverySplitHasAName) {
  std::set<TextSplit> splits;
  for (std::string_view name : {"default", "gpt-2", "llama-bpe", "qwen2", "starcoder"}) {
    ASSERT_NE(FindPreTokenizerName(name), nullptr) << name;
    splits.insert(FindPreTokenizerName(name)->split);
  }
  EXPECT_EQ(splits.size(), 5u);
  EXPECT_EQ(PreTokenizerNamesForMessage(), "default, gpt-2, llama-bpe, qwen2, starcoder");
}

TEST(PreTokenizerNamesTest, SeveralNamesMayMeanOneSplit) {
  EXPECT_EQ(FindPreTokenizerName("")->split, TextSplit::kDefault);
  EXPECT_EQ(FindPreTokenizerName("smollm")->split, TextSplit::kStarcoder);
  EXPECT_EQ(FindPreTokenizerName("dbrx")->split, TextSplit::kLlama3);
}

TEST(PreTokenizerNamesTest, Llama3VocabulariesAreMoreThanTheirSplit) {
  for (std::string_view name : {"llama-bpe", "llama3", "llama-v3", "falcon3"}) {
    EXPECT_TRUE(FindPreTokenizerName(name)->llama3_vocabulary) << name;
  }
  EXPECT_FALSE(FindPreTokenizerName("dbrx")->llama3_vocabulary);
  EXPECT_FALSE(FindPreTokenizerName("qwen2")->llama3_vocabulary);
}

TEST(PreTokenizerNamesTest, UnknownNamesAreNull) {
  EXPECT_EQ(FindPreTokenizerName("tekken"), nullptr);
  EXPECT_EQ(FindPreTokenizerName("gpt-22"), nullptr);
}

}  // namespace
}  // namespace llmrt::formats
