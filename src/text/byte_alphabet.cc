#include "text/byte_alphabet.h"

#include "text/utf8.h"

namespace llmrt::text {
namespace {

// Printable Latin-1 without the space, the no-break space (A0) and the soft hyphen (AD).
bool StandsForItself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

}  // namespace

ByteAlphabet::ByteAlphabet() {
  bytes_.fill(-1);
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t character = StandsForItself(byte) ? static_cast<char32_t>(byte) : next++;
    AppendUtf8(character, &characters_[byte]);
    bytes_[character] = static_cast<int16_t>(byte);
  }
}

void ByteAlphabet::AppendEncoded(std::string_view bytes, std::string* out) const {
  for (const char byte : bytes) out->append(characters_[static_cast<uint8_t>(byte)]);
}

std::optional<std::string> ByteAlphabet::Decode(std::string_view text) const {
  std::string out;
  while (!text.empty()) {
    const DecodedCharacter character = DecodeUtf8(text);
    if (character.value >= kCharacters || bytes_[character.value] < 0) return std::nullopt;
    out.push_back(static_cast<char>(bytes_[character.value]));
    text.remove_prefix(character.size);
  }
  return out;
}

}  // namespace llmrt::text
