// What a tokenizer needs to know, whatever file it came from: every format reader fills this struct
// and src/text builds a Tokenizer from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llmrt::formats {

enum class TokenKind : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // never produced from plain text, not shown in output
  kUserDefined = 4,  // matched in text before anything else
  kUnused = 5,
  kByte = 6,  // "<0xAB>": one raw byte
};

enum class TokenizerFamily : uint8_t {
  kSentencePiece,  // SentencePiece BPE by scores, byte fallback ("llama")
  kByteLevelBpe,   // byte-level BPE by merge ranks ("gpt2")
  kUnsupported,    // of the rest only `model` and the tokens are filled in
};

struct TokenizerData {
  TokenizerFamily family = TokenizerFamily::kSentencePiece;
  std::string model;                // the file's name of the family: "llama", "gpt2"
  std::string pre_tokenizer;        // "gpt-2", "llama-bpe", "qwen2", "starcoder", "default"
  std::vector<std::string> tokens;  // by id; bytes as the file has them
  std::vector<float> scores;        // by id; SentencePiece only, else empty
  std::vector<TokenKind> kinds;  // by id; empty when the file has none: inferred by the tokenizer
  std::vector<std::string> merges;  // "left right", by rank; byte-level BPE only
  int32_t bos_id = -1;              // -1: none
  int32_t eos_id = -1;
  int32_t eot_id = -1;  // end of turn
  int32_t unknown_id = -1;
  int32_t pad_id = -1;
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = true;  // SentencePiece: a text starts with an implied space
  bool remove_extra_whitespaces = false;
  std::string chat_template;  // Jinja source, empty when the file has none
};

}  // namespace llmrt::formats
