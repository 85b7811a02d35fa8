// UTF-8 as the tokenizers need it: find what is wrong, walk over characters, write one. Text that
// arrives in pieces is the business of utf8_stream.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace llmrt::text {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// The byte offset of the first sequence that is not UTF-8 (overlong forms, surrogates, values past
// U+10FFFF and cut sequences included), or npos when all of `text` is valid.
size_t FindInvalidUtf8(std::string_view text);

struct DecodedCharacter {
  char32_t value = 0;
  uint32_t size = 0;  // bytes it takes, 1 to 4
};

// The character at the start of `text`, which must not be empty. A byte that starts no valid
// sequence decodes as U+FFFD of size 1, so a walk always advances and never reads past the end.
DecodedCharacter DecodeUtf8(std::string_view text);

// Appends a scalar value (not a surrogate, at most U+10FFFF).
void AppendUtf8(char32_t value, std::string* out);

}  // namespace llmrt::text
