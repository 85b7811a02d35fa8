// The few character classes that pre-tokenizer patterns name: \p{L}, \p{N}, \p{P}, \s. Backed by
// utf8proc's tables: Unicode 15 on Debian 12. Characters that a later Unicode assigned are kOther
// here and may be letters or numbers to a tokenizer with newer tables; no character has changed its
// class since.
#pragma once

#include <cstdint>

namespace llmrt::text {

// One class a character, because the patterns' classes do not overlap: no White_Space character is
// a letter, a number or punctuation.
enum class CharClass : uint8_t {
  kOther = 0,    // symbols, marks, controls, unassigned
  kLetter,       // general category L*
  kNumber,       // N*
  kPunctuation,  // P*
  kWhitespace,   // the property White_Space, what \s means in Unicode regular expressions
};

// Any value is allowed; one past U+10FFFF is kOther.
CharClass ClassOf(char32_t value);

// The property White_Space. Narrower than Python's str.isspace (U+001C to U+001F are not in it) and
// wider than the category Z (tab to carriage return and U+0085 are).
bool IsWhitespace(char32_t value);

}  // namespace llmrt::text
