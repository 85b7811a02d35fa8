// Lines from stdin that Ctrl-C can end, also while there is nothing to read.
#pragma once

#include <optional>
#include <string>

#include "interrupt.h"

namespace llmrt::cli {

class LineReader {
 public:
  // The next line without its end ("\n" or "\r\n"). nullopt at the end of the input, after Ctrl-C,
  // and where stdin cannot be read.
  std::optional<std::string> Next(const InterruptScope& interrupt);

 private:
  // Adds to buffer_; false where nothing more comes.
  bool Fill(const InterruptScope& interrupt);
  std::string TakeLine(size_t length, size_t length_with_end);

  std::string buffer_;  // read, not yet returned
  bool ended_ = false;
};

}  // namespace llmrt::cli
