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

Line LineReader::TakeLine(size_t size, size_t size_with_end) {
  Line line = {.text = buffer_.substr(0, size)};
  buffer_.erase(0, size_with_end);
  if (line.text.ends_with('\r')) line.text.pop_back();
  line.size = dropped_ + static_cast<int64_t>(line.text.size());
  dropped_ = 0;
  if (line.size > kLineBytesMax) line.text.clear();
  return line;
}

std::optional<Line> LineReader::Next(const InterruptScope& interrupt) {
  size_t searched = 0;  // bytes of the buffer that hold no line's end
  for (;;) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) return TakeLine(end, end + 1);
    searched = buffer_.size();
    if (static_cast<int64_t>(searched) > kLineBytesMax) {
      dropped_ += static_cast<int64_t>(searched);
      buffer_.clear();
      searched = 0;
    }
    if (Fill(interrupt)) continue;
    // The last line may lack its end.
    if (ended_ && (!buffer_.empty() || dropped_ > 0)) {
      return TakeLine(buffer_.size(), buffer_.size());
    }
    return std::nullopt;
  }
}

}  // namespace llmrt::cli
