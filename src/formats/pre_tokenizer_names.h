// The names that files give to the ways of splitting text before byte-level BPE merges it, and what
// each implies. How a split works is left to src/text.
#pragma once

#include <string>
#include <string_view>

namespace llmrt::formats {

// Named for the vocabulary that introduced it.
enum class TextSplit { kDefault, kGpt2, kLlama3, kQwen2, kStarcoder };

struct PreTokenizerName {
  std::string_view name;
  TextSplit split = TextSplit::kDefault;
  // Llama 3's vocabularies and their kin: a pre-token that is itself in the vocabulary is one token
  // whatever the merges say, and texts start with BOS even where the file leaves that unsaid.
  bool llama3_vocabulary = false;
};

// `name` as GGUF's tokenizer.ggml.pre has it; null where it is not known. The empty name is that of
// files that do not say how their text was split, as is "default".
const PreTokenizerName* FindPreTokenizerName(std::string_view name);

// One name for each split, for messages: "default, gpt-2, ...".
std::string PreTokenizerNamesForMessage();

}  // namespace llmrt::formats
