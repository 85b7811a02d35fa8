// What is a character and what is not, in bytes that a user or a file gave.
#pragma once

#include <cstddef>
#include <string_view>

namespace llmrt::cli {

// Bytes of the valid UTF-8 character at the start of `text`, which is not empty; 0 if there is
// none. Overlong forms, surrogates and values past U+10FFFF are no characters.
size_t CharacterSize(std::string_view text);

// Where the first byte stands that belongs to no character; npos where all do.
size_t FindInvalidUtf8(std::string_view text);

// Whether a terminal may take `character`, a valid one, as a command or as a line's end: the C0 and
// C1 controls, DEL, and the separators of lines and paragraphs.
bool IsControl(std::string_view character);

}  // namespace llmrt::cli
