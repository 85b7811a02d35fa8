// A vocabulary of any size that a SentencePiece tokenizer can work with: <unk>, <s>, </s>, the 256
// byte tokens, and words of the letters a to z, with and without a leading space.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llmrt::synth {

// By token id, as GGUF's arrays hold them.
struct FillerVocabulary {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> kinds;  // formats::TokenKind
};

// <unk>, <s>, </s> and the bytes.
inline constexpr int32_t kFillerVocabularyMin = 3 + 256;

// `size` tokens, at least kFillerVocabularyMin.
//
// The words come shortest first (a, b, ... z, aa, ab, ...) with falling scores, each plain and then
// with a space, so the word less its last letter is always in the vocabulary as well, with a better
// score: merging by score can reach every word from its letters. What has no word is spelled by
// byte tokens.
FillerVocabulary MakeFillerVocabulary(int32_t size);

}  // namespace llmrt::synth
