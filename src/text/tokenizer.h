// Text to token ids and back, for the tokenizer families that model files carry. This is all that
// the layers above see of src/text's tokenizers; chat templates are separate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "formats/tokenizer_data.h"

namespace llmrt::text {

struct EncodeOptions {
  bool add_special = true;     // BOS and EOS as the model says
  bool parse_special = false;  // control tokens that the text spells out become those tokens
  bool add_eos = true;         // false: of the two only BOS, for text that something is to follow
};

// Immutable after creation; every method may be called from any thread.
class Tokenizer {
 public:
  // UNIMPLEMENTED: a family or pre-tokenizer that is not known. INVALID_ARGUMENT, DATA_LOSS: tables
  // that contradict themselves; which defects are refused and which tolerated is said in
  // vocabulary.h, special_tokens.h, sentence_piece.h and byte_level_bpe.h.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(formats::TokenizerData data);
  ~Tokenizer();

  // User-defined tokens are recognized in every text, control tokens only with parse_special: text
  // from outside cannot end a turn. INVALID_ARGUMENT: `utf8` is not UTF-8 (the message has the byte
  // offset), is longer than 1 GiB, or holds a character that the vocabulary cannot express.
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view utf8,
                                              const EncodeOptions& options) const;

  // The bytes that a token adds to running text, a view that lives as long as the tokenizer.
  // Possibly part of a character: see utf8_stream.h. Empty for control, unknown and unused tokens
  // and for ids outside the vocabulary.
  std::string_view TokenBytes(int32_t id) const;

  // The bytes of all tokens, without the space that SentencePiece implies at the start of a text
  // (it stays where the tokens continue other text: then join TokenBytes instead).
  std::string Decode(absl::Span<const int32_t> ids) const;

  int32_t vocab_size() const;
  int32_t bos_id() const;  // -1: none, also below
  int32_t eos_id() const;
  int32_t eot_id() const;
  // EOS, end of turn, and control tokens that are known by name to end a generation ("<|im_end|>").
  bool IsEndOfGeneration(int32_t id) const;
  // Outside the vocabulary: kUnused and an empty piece.
  formats::TokenKind kind(int32_t id) const;
  // The token's text as the file has it ("<|im_end|>", U+2581 for spaces, byte-level characters).
  std::string_view piece(int32_t id) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace llmrt::text
