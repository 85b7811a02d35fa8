#include "text/utf8.h"

namespace llmrt::text {
namespace {

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// The bounds of the second byte exclude overlong forms (E0, F0), surrogates (ED) and values past
// U+10FFFF (F4); every later byte is 80..BF. Unicode 15, table 3-7.
bool IsSecondByte(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return IsContinuation(second);
  }
}

// Bytes that a lead byte announces; 0 for a byte that can start nothing.
uint32_t SequenceSize(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// Size of the valid sequence at the start of `text`, 0 when there is none.
uint32_t ValidSize(std::string_view text) {
  const unsigned char lead = text[0];
  const uint32_t size = SequenceSize(lead);
  if (size <= 1) return size;
  if (size > text.size() || !IsSecondByte(lead, text[1])) return 0;
  for (uint32_t i = 2; i < size; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return size;
}

}  // namespace

size_t FindInvalidUtf8(std::string_view text) {
  size_t pos = 0;
  while (pos < text.size()) {
    const uint32_t size = ValidSize(text.substr(pos));
    if (size == 0) return pos;
    pos += size;
  }
  return std::string_view::npos;
}

DecodedCharacter DecodeUtf8(std::string_view text) {
  const uint32_t size = ValidSize(text);
  if (size == 0) return {kReplacementCharacter, 1};
  const unsigned char lead = text[0];
  if (size == 1) return {lead, 1};
  // A lead byte of n bytes carries 7 - n value bits: 5, 4, 3.
  char32_t value = lead & (0x7F >> size);
  for (uint32_t i = 1; i < size; ++i) {
    value = (value << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  return {value, size};
}

void AppendUtf8(char32_t value, std::string* out) {
  const auto continuation = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | ((value >> shift) & 0x3F)));
  };
  if (value < 0x80) {
    out->push_back(static_cast<char>(value));
  } else if (value < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (value >> 6)));
    continuation(0);
  } else if (value < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (value >> 12)));
    continuation(6);
    continuation(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | (value >> 18)));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

}  // namespace llmrt::text
