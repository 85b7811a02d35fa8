#include "utf8.h"

namespace llmrt::cli {
namespace {

unsigned char ByteAt(std::string_view text, size_t index) {
  return static_cast<unsigned char>(text[index]);
}

// Bytes that a lead byte announces; 0 for a byte that can start nothing. C0 and C1 would only start
// overlong forms.
size_t AnnouncedSize(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// Unicode 15, table 3-7: the second byte's bounds shut out overlong forms (after E0 and F0),
// surrogates (after ED) and values past U+10FFFF (after F4).
bool IsSecondByte(unsigned char lead, unsigned char second) {
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return second >= low && second <= high;
}

}  // namespace

size_t CharacterSize(std::string_view text) {
  const unsigned char lead = ByteAt(text, 0);
  const size_t size = AnnouncedSize(lead);
  if (size <= 1) return size;
  if (size > text.size() || !IsSecondByte(lead, ByteAt(text, 1))) return 0;
  for (size_t i = 2; i < size; ++i) {
    if ((ByteAt(text, i) & 0xC0) != 0x80) return 0;
  }
  return size;
}

size_t FindInvalidUtf8(std::string_view text) {
  size_t place = 0;
  while (place < text.size()) {
    const size_t size = CharacterSize(text.substr(place));
    if (size == 0) return place;
    place += size;
  }
  return std::string_view::npos;
}

bool IsControl(std::string_view character) {
  const unsigned char lead = ByteAt(character, 0);
  if (character.size() == 1) return lead < 0x20 || lead == 0x7F;
  // U+0080 to U+009F are C2 80 to C2 9F: 9B alone begins a command, as ESC [ does.
  if (lead == 0xC2) return ByteAt(character, 1) < 0xA0;
  return character == "\xE2\x80\xA8" || character == "\xE2\x80\xA9";  // U+2028, U+2029
}

}  // namespace llmrt::cli
