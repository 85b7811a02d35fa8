// What a tokenizer family does; tokenizer.h puts special tokens, BOS and EOS around it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace llmrt::text {

// Immutable, thread-safe.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  // Appends the tokens of a stretch of valid UTF-8 without special tokens. `starts_section`: it
  // stands at the start of the input or behind a special token.
  virtual absl::Status Encode(std::string_view text, bool starts_section,
                              std::vector<int32_t>* out) const = 0;

  // The bytes of a token of kind normal, byte or user-defined in running text.
  virtual std::string TokenBytes(int32_t id) const = 0;

  // Whether a text that starts with this token starts with a space that Encode put there.
  virtual bool HasImpliedSpace(int32_t id) const = 0;
};

}  // namespace llmrt::text
