// The vocabularies of trained models beside the checkout (LLMRT_SHARED_DIR/tokenizers) and their
// test vectors. They may be absent: then tests skip, unless CI=true promises them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/tokenizer.h"

namespace llmrt::text {

inline constexpr std::string_view kSharedTokenizers[] = {"llama-spm", "phi-3",     "gpt-2",
                                                         "starcoder", "llama-bpe", "qwen2"};

struct EncodingCase {
  std::string text;
  std::vector<int32_t> tokens;
};

// True when NAME.gguf is absent; then the test has been marked skipped, or failed under CI=true.
bool SkipWithoutSharedTokenizer(std::string_view name);

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadSharedTokenizer(std::string_view name);

// The small trained models in LLMRT_SHARED_DIR/models, which bring their own vocabularies, and the
// prompts of golden/NAME.json with their ids (BOS first).
bool SkipWithoutSharedModel(std::string_view name);
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadModelTokenizer(std::string_view name);
std::vector<EncodingCase> ReadGoldenPrompts(std::string_view name);

// NAME.inp with NAME.out, and NAME.random.jsonl: without BOS and EOS, special tokens not parsed.
std::vector<EncodingCase> ReadVectors(std::string_view name);
std::vector<EncodingCase> ReadRandomTexts(std::string_view name);

}  // namespace llmrt::text
