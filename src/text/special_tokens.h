// Finds tokens that are recognized in a text as they stand (control tokens such as "<|im_end|>",
// user-defined ones), before the rest of the text is tokenized.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"

namespace llmrt::text {

class Vocabulary;

// A stretch of the input: a special token, or ordinary text.
struct TextFragment {
  std::string_view text;
  int32_t token = -1;  // -1: ordinary text
};

// Immutable. Matches the leftmost token, and of those that start there the longest.
class SpecialTokens {
 public:
  enum class Recognize {
    kUserDefined,  // what the model wants matched in every text
    kAll,          // control and unknown tokens as well
  };

  // INVALID_ARGUMENT: such a token is longer than 1024 bytes (which keeps Split linear). Tokens
  // that are empty or not UTF-8 can never occur in a text and are left out.
  static absl::StatusOr<SpecialTokens> Create(const Vocabulary& vocabulary, Recognize recognize);

  // Covers `text` in order; no fragment is empty.
  std::vector<TextFragment> Split(std::string_view text) const;

 private:
  SpecialTokens() = default;

  void Insert(std::string_view piece, int32_t id);
  // The longest token at the start of `text`: {size, id}, size 0 when there is none.
  TextFragment Longest(std::string_view text) const;

  // A trie over bytes: (node << 8 | byte) -> node. Node 0 is the root.
  std::unordered_map<uint64_t, uint32_t> edges_;
  std::vector<int32_t> tokens_ = {-1};  // by node; -1: none ends here
  bool starts_[256] = {};               // bytes that leave the root, to skip the rest quickly
};

}  // namespace llmrt::text
