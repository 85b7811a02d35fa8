// Turns a stream of token bytes into whole characters. A token may end inside a character (byte
// fallback, byte-level BPE), and a model may produce bytes that are no text at all; what leaves
// here is always valid UTF-8 and never half a character.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace llmrt::text {

// Invalid bytes become U+FFFD, one for each maximal part of a sequence that could have become valid
// (the rule of the WHATWG decoder and of Unicode's "substitution of maximal subparts"), so the
// result does not depend on where the stream was cut.
class Utf8Stream {
 public:
  // Takes raw bytes and returns the characters that are complete. At most 3 bytes stay inside.
  std::string Feed(std::string_view bytes);

  // The end of the stream: an incomplete tail becomes one U+FFFD. The stream can be used again.
  std::string Flush();

  // Bytes of the incomplete tail, 0 to 3.
  int32_t pending_bytes() const { return size_; }

 private:
  void Push(unsigned char byte, std::string* out);
  void StartSequence(unsigned char byte, std::string* out);

  char tail_[4] = {};
  int32_t size_ = 0;    // bytes in tail_
  int32_t wanted_ = 0;  // bytes still missing
  // What the next byte must lie in; narrower than 80..BF after E0, ED, F0 and F4.
  unsigned char lower_ = 0x80;
  unsigned char upper_ = 0xBF;
};

}  // namespace llmrt::text
