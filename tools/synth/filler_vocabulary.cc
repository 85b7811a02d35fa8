#include "synth/filler_vocabulary.h"

#include "absl/strings/str_format.h"
#include "formats/tokenizer_data.h"

namespace llmrt::synth {
namespace {

using formats::TokenKind;

constexpr char kSpace[] = "\xe2\x96\x81";  // U+2581, SentencePiece's space

// 1 is "a", 26 "z", 27 "aa": counting in base 26 without a zero.
std::string Word(int32_t number) {
  std::string word;
  for (; number > 0; number = (number - 1) / 26) {
    word.insert(word.begin(), static_cast<char>('a' + (number - 1) % 26));
  }
  return word;
}

void Add(std::string token, float score, TokenKind kind, FillerVocabulary* vocabulary) {
  vocabulary->tokens.push_back(std::move(token));
  vocabulary->scores.push_back(score);
  vocabulary->kinds.push_back(static_cast<int32_t>(kind));
}

}  // namespace

FillerVocabulary MakeFillerVocabulary(int32_t size) {
  FillerVocabulary vocabulary;
  Add("<unk>", 0, TokenKind::kUnknown, &vocabulary);
  Add("<s>", 0, TokenKind::kControl, &vocabulary);
  Add("</s>", 0, TokenKind::kControl, &vocabulary);
  for (int32_t byte = 0; byte < 256; ++byte) {
    Add(absl::StrFormat("<0x%02X>", byte), 0, TokenKind::kByte, &vocabulary);
  }
  // Word 0 is the empty one: plain it is no token, with a space it is the space alone.
  for (int32_t index = 1; kFillerVocabularyMin + index - 1 < size; ++index) {
    const std::string word = Word(index / 2);
    Add(index % 2 == 1 ? kSpace + word : word, -static_cast<float>(index), TokenKind::kNormal,
        &vocabulary);
  }
  return vocabulary;
}

}  // namespace llmrt::synth
