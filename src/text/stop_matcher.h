// Watches a stream of text for stop strings. Text that could be the beginning of a stop string is
// held back until the next bytes decide, so a reader never sees a part of a stop string that was
// completed later. Works on bytes; it may stand before or behind a Utf8Stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace llmrt::text {

class StopMatcher {
 public:
  struct Output {
    std::string text;         // what can be released, in order; never contains a stop string
    bool matched = false;     // a stop string was completed; nothing is released from here on
    int32_t stop_index = -1;  // which one: index into `stop_strings`
  };

  // A matcher without stop strings passes everything through.
  StopMatcher() = default;

  // INVALID_ARGUMENT: an empty stop string (it would match everywhere).
  static absl::StatusOr<StopMatcher> Create(std::vector<std::string> stop_strings);

  // Takes the next bytes. The match that ends first wins; of those that end at the same byte, the
  // longest, because it starts first. The match and everything behind it is dropped, so after a
  // match further calls release nothing. Cost: O(bytes x stop strings), whatever they contain.
  Output Feed(std::string_view bytes);

  // The end of the stream: what was held back is text after all. The matcher can be used again.
  std::string Flush();

  bool matched() const { return stop_index_ >= 0; }
  // Bytes held back, at most the longest stop string less one.
  int64_t held_bytes() const { return static_cast<int64_t>(held_.size()); }

 private:
  // Knuth-Morris-Pratt: borders[i] is the length of the longest proper prefix of the text that is
  // also a suffix of its first i + 1 bytes.
  struct Pattern {
    std::string text;
    std::vector<int32_t> borders;
    int32_t state = 0;  // bytes of `text` that the stream's end matches
  };

  // Advances every pattern by a byte; returns the longest that is now complete, or -1.
  int32_t Advance(char byte);

  std::vector<Pattern> patterns_;
  std::string held_;
  int32_t stop_index_ = -1;
};

}  // namespace llmrt::text
