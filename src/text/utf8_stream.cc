#include "text/utf8_stream.h"

#include "text/utf8.h"

namespace llmrt::text {

std::string Utf8Stream::Feed(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + static_cast<size_t>(size_));
  for (const char byte : bytes) Push(static_cast<unsigned char>(byte), &out);
  return out;
}

std::string Utf8Stream::Flush() {
  std::string out;
  if (size_ > 0) AppendUtf8(kReplacementCharacter, &out);
  *this = Utf8Stream();
  return out;
}

void Utf8Stream::Push(unsigned char byte, std::string* out) {
  if (wanted_ == 0) {
    StartSequence(byte, out);
    return;
  }
  if (byte < lower_ || byte > upper_) {
    // What was held is a maximal part of a sequence: one U+FFFD for it, and this byte starts anew.
    AppendUtf8(kReplacementCharacter, out);
    *this = Utf8Stream();
    StartSequence(byte, out);
    return;
  }
  lower_ = 0x80;
  upper_ = 0xBF;
  tail_[size_++] = static_cast<char>(byte);
  if (--wanted_ == 0) {
    out->append(tail_, static_cast<size_t>(size_));
    size_ = 0;
  }
}

void Utf8Stream::StartSequence(unsigned char byte, std::string* out) {
  if (byte < 0x80) {
    out->push_back(static_cast<char>(byte));
    return;
  }
  if (byte < 0xC2 || byte > 0xF4) {
    AppendUtf8(kReplacementCharacter, out);
    return;
  }
  wanted_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  if (byte == 0xE0) lower_ = 0xA0;  // shorter forms exist below
  if (byte == 0xED) upper_ = 0x9F;  // surrogates
  if (byte == 0xF0) lower_ = 0x90;
  if (byte == 0xF4) upper_ = 0x8F;  // past U+10FFFF
  tail_[0] = static_cast<char>(byte);
  size_ = 1;
}

}  // namespace llmrt::text
