#include "line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace llmrt::cli {

bool LineReader::Fill(const InterruptScope& interrupt) {
  while (!ended_ && !interrupt.interrupted()) {
    // Looks at the flag now and then instead of waiting in read: a signal that comes just before a
    // read would not end it.
    constexpr int kLookForInterruptMs = 50;
    pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    const int ready = poll(&input, 1, kLookForInterruptMs);
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    char bytes[4096];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(bytes, static_cast<size_t>(count));
    return true;
  }
  return false;
}

std::string LineReader::TakeLine(size_t length, size_t length_with_end) {
  std::string line = buffer_.substr(0, length);
  buffer_.erase(0, length_with_end);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

std::optional<std::string> LineReader::Next(const InterruptScope& interrupt) {
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos) return TakeLine(end, end + 1);
    if (Fill(interrupt)) continue;
    // The last line may lack its end.
    if (ended_ && !buffer_.empty()) return TakeLine(buffer_.size(), buffer_.size());
    return std::nullopt;
  }
}

}  // namespace llmrt::cli
