#include "terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "utf8.h"

namespace llmrt::cli {

bool StdinIsTerminal() { return isatty(STDIN_FILENO) == 1; }
bool StdoutIsTerminal() { return isatty(STDOUT_FILENO) == 1; }
bool StderrIsTerminal() { return isatty(STDERR_FILENO) == 1; }

ProgressBar::ProgressBar(std::string_view label) : label_(label), visible_(StderrIsTerminal()) {}

void ProgressBar::Show(float fraction) {
  if (!visible_) return;
  constexpr int kCells = 30;
  const int filled = static_cast<int>(std::clamp(fraction, 0.0f, 1.0f) * kCells);
  const std::string bar = std::string(filled, '#') + std::string(kCells - filled, '.');
  std::fprintf(stderr, "\r%s [%s] %3d %%", label_.c_str(), bar.c_str(),
               static_cast<int>(std::clamp(fraction, 0.0f, 1.0f) * 100));
  std::fflush(stderr);
}

ProgressBar::~ProgressBar() {
  if (visible_) std::fputs("\r\033[K", stderr);  // back to the first column, erase the line
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<bool>& right_aligned) {
  std::vector<size_t> widths(right_aligned.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      if (i > 0) text += "  ";
      if (right_aligned[i]) text += padding;
      text += row[i];
      // No blanks at the end of a line.
      if (!right_aligned[i] && i + 1 < row.size()) text += padding;
    }
    text += '\n';
  }
  return text;
}

std::string FormatNumber(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string FormatBytes(int64_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return std::to_string(bytes) + " bytes";
  return FormatNumber(value, 1) + " " + kUnits[unit] + " (" + std::to_string(bytes) + " bytes)";
}

std::string Quoted(std::string_view text, size_t bytes_max) {
  std::string quoted = "\"";
  while (!text.empty()) {
    if (quoted.size() > bytes_max) return quoted + "\"...";
    const size_t size = CharacterSize(text);
    // A byte that belongs to no character is escaped alone.
    const std::string_view piece = text.substr(0, std::max<size_t>(size, 1));
    if (piece == "\"" || piece == "\\") {
      quoted += '\\';
      quoted += piece;
    } else if (piece == "\n") {
      quoted += "\\n";
    } else if (size == 0 || IsControl(piece)) {
      for (const char byte : piece) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(byte));
        quoted += escape;
      }
    } else {
      quoted += piece;
    }
    text.remove_prefix(piece.size());
  }
  return quoted + '"';
}

Outcome Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return Failed("writing to standard output failed");
  }
  return Done();
}

}  // namespace llmrt::cli
