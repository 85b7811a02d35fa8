// Byte-level BPE writes each byte of a text as one printable character, so that vocabularies and
// merges are plain text: printable Latin-1 stands for itself, the other 68 bytes for U+0100 and on
// in order (the space, the 33rd of them, is U+0120).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmrt::text {

class ByteAlphabet {
 public:
  ByteAlphabet();

  // The character of a byte, in UTF-8 (one or two bytes).
  std::string_view Encode(uint8_t byte) const { return characters_[byte]; }
  void AppendEncoded(std::string_view bytes, std::string* out) const;

  // The bytes that a token's text stands for; nothing when it holds a character outside the
  // alphabet or is not UTF-8.
  std::optional<std::string> Decode(std::string_view text) const;

 private:
  // The alphabet's last character is U+0143 (256 + 68 - 1).
  static constexpr int kCharacters = 256 + 68;

  std::array<std::string, 256> characters_;
  std::array<int16_t, kCharacters> bytes_;  // by code point; -1: not in the alphabet
};

}  // namespace llmrt::text
