// Lines from stdin that Ctrl-C can end, also while there is nothing to read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "interrupt.h"

namespace llmrt::cli {

// Far more than any context holds.
inline constexpr int64_t kLineBytesMax = int64_t{1} << 20;

struct Line {
  std::string text;
  int64_t size = 0;  // bytes; where they exceed kLineBytesMax, `text` is empty
};

class LineReader {
 public:
  // The next line without its end ("\n" or "\r\n"). nullopt at the end of the input, after Ctrl-C,
  // and where stdin cannot be read. A line past kLineBytesMax is read to its end and not kept.
  std::optional<Line> Next(const InterruptScope& interrupt);

 private:
  // Adds to buffer_; false where nothing more comes.
  bool Fill(const InterruptScope& interrupt);
  // The line of the buffer's first `size` bytes; `size_with_end` of them leave the buffer.
  Line TakeLine(size_t size, size_t size_with_end);

  std::string buffer_;   // read, not yet returned
  int64_t dropped_ = 0;  // bytes of the current line that were too many to keep
  bool ended_ = false;
};

}  // namespace llmrt::cli
