// What people see beyond a command's result: a progress bar, tables and readable sizes. Progress
// goes to stderr, and only when that is a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.h"

namespace llmrt::cli {

bool StdinIsTerminal();
bool StdoutIsTerminal();
bool StderrIsTerminal();

// A bar on one line of stderr that Show redraws and the destructor wipes out.
class ProgressBar {
 public:
  explicit ProgressBar(std::string_view label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Show(float fraction);  // 0 to 1

 private:
  const std::string label_;
  const bool visible_;
};

// Rows of cells as text with aligned columns. Cells of a column in `right_aligned` end under each
// other.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<bool>& right_aligned);

// "4.1 MB (4149024 bytes)"; decimal units.
std::string FormatBytes(int64_t bytes);
// `digits` after the point.
std::string FormatNumber(double value, int digits);
// The text on one line in quotes, with control characters, separators of lines and invalid bytes
// escaped, cut after `bytes_max` with an ellipsis.
std::string Quoted(std::string_view text, size_t bytes_max);

// Writes to stdout at once. Fails where stdout does (a full disk, say).
Outcome Print(std::string_view text);

}  // namespace llmrt::cli
