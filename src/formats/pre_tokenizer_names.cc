#include "formats/pre_tokenizer_names.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace llmrt::formats {
namespace {

// The first ones are those that messages show; the others are files' names for the same splits.
constexpr PreTokenizerName kNames[] = {
    {"default", TextSplit::kDefault},
    {"gpt-2", TextSplit::kGpt2},
    {"llama-bpe", TextSplit::kLlama3, true},
    {"qwen2", TextSplit::kQwen2},
    {"starcoder", TextSplit::kStarcoder},
    {"", TextSplit::kDefault},
    {"phi-2", TextSplit::kGpt2},
    {"mpt", TextSplit::kGpt2},
    {"olmo", TextSplit::kGpt2},
    {"llama3", TextSplit::kLlama3, true},
    {"llama-v3", TextSplit::kLlama3, true},
    {"falcon3", TextSplit::kLlama3, true},
    {"dbrx", TextSplit::kLlama3},
    {"smaug-bpe", TextSplit::kLlama3},
    {"deepseek-r1-qwen", TextSplit::kQwen2},
    {"megrez", TextSplit::kQwen2},
    {"stablelm2", TextSplit::kQwen2},
    {"smollm", TextSplit::kStarcoder},
    {"refact", TextSplit::kStarcoder},
    {"command-r", TextSplit::kStarcoder},
    {"codeshell", TextSplit::kStarcoder},
};
constexpr size_t kShownNames = 5;

}  // namespace

const PreTokenizerName* FindPreTokenizerName(std::string_view name) {
  for (const PreTokenizerName& known : kNames) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

std::string PreTokenizerNamesForMessage() {
  std::string names;
  for (size_t i = 0; i < kShownNames; ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", kNames[i].name);
  }
  return names;
}

}  // namespace llmrt::formats
