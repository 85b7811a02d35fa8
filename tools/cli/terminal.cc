#include "terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

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

namespace {

// Length of the valid UTF-8 character at the start of `text`, 0 if there is none.
size_t CharacterLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string Quoted(std::string_view text, size_t bytes_max) {
  std::string quoted = "\"";
  while (!text.empty()) {
    if (quoted.size() > bytes_max) return quoted + "\"...";
    const size_t length = CharacterLength(text);
    const char first = text[0];
    if (length == 1 && (first == '"' || first == '\\')) {
      quoted += '\\';
      quoted += first;
    } else if (first == '\n') {
      quoted += "\\n";
    } else if (length == 0 || static_cast<unsigned char>(first) < 0x20 || first == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(first));
      quoted += escape;
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
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
