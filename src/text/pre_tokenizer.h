// Splits a text into the pre-tokens of byte-level BPE; merges never cross their edges. Each model
// family states its split as regular expressions; the ones known here are written out by hand,
// because a backtracking engine has no useful bound on time and std::regex none on stack. What each
// one does is said in pre_tokenizer.cc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "text/unicode_classes.h"

namespace llmrt::text {

// A character of the text that is being split.
struct ClassifiedCharacter {
  char32_t value = 0;
  uint32_t offset = 0;  // in bytes
  CharClass char_class = CharClass::kOther;
};

class PreTokenizer {
 public:
  // `name` as GGUF's tokenizer.ggml.pre has it. The empty name means "default": the split for files
  // that do not say how their text was split. UNIMPLEMENTED: a name that is not known.
  static absl::StatusOr<PreTokenizer> Create(std::string_view name);

  // The pre-tokens of valid UTF-8, in order; together they are the text. Linear in the text. The
  // text must be shorter than 4 GiB.
  std::vector<std::string_view> Split(std::string_view text) const;

  // A pre-token that is itself in the vocabulary is one token, whatever the merges say.
  bool whole_pre_tokens_first() const { return whole_pre_tokens_first_; }

  // One step of the split: the end of the match that starts at `pos`, or `pos` when none does. A
  // step sees nothing outside its piece, so "end of text" in a look-ahead is the end of the piece.
  using Matcher = size_t (*)(absl::Span<const ClassifiedCharacter> piece, size_t pos);

 private:
  PreTokenizer() = default;

  // Applied one after another, each to every piece that the one before left.
  absl::Span<const Matcher> steps_;
  bool whole_pre_tokens_first_ = false;
};

}  // namespace llmrt::text
