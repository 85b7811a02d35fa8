#include "engine/log_ring.h"

#include <algorithm>
#include <new>
#include <utility>

namespace llmrt::engine {

void LogRing::Add(LogLevel level, absl::FunctionRef<std::string()> text) {
  if (level > level_) return;
  std::string line;
  try {
    line = text();
  } catch (const std::bad_alloc&) {
    return;
  }
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  std::lock_guard<std::mutex> lock(mu_);
  LogRecord& record = records_[static_cast<size_t>(written_ % kCapacity)];
  record.level = level;
  record.sequence = written_;
  record.time_us = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  record.text = std::move(line);
  ++written_;
}

absl::StatusOr<LogRecord> LogRing::Poll(int64_t capacity) {
  std::lock_guard<std::mutex> lock(mu_);
  read_ = std::max(read_, written_ - kCapacity);
  if (read_ == written_) return absl::NotFoundError("no log record is unread");
  const LogRecord& record = records_[static_cast<size_t>(read_ % kCapacity)];
  LogRecord copy = record;
  if (static_cast<int64_t>(copy.text.size()) <= capacity) ++read_;
  return copy;
}

}  // namespace llmrt::engine
