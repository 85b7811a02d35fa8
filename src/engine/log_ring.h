// The engine's log: a bounded ring of records that the host polls. The library never writes to a
// terminal or a file. Prompts and answers never enter it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace llmrt::engine {

// Thread-safe.
class LogRing {
 public:
  static constexpr int64_t kCapacity = 256;  // records

  explicit LogRing(LogLevel level) : level_(level), start_(std::chrono::steady_clock::now()) {}

  // Overwrites the oldest record when full. `text` is asked only if the level is wanted; a record
  // that finds no memory is dropped.
  void Add(LogLevel level, absl::FunctionRef<std::string()> text);

  // See Engine::PollLog.
  absl::StatusOr<LogRecord> Poll(int64_t capacity);

 private:
  const LogLevel level_;
  const std::chrono::steady_clock::time_point start_;
  std::mutex mu_;
  std::array<LogRecord, kCapacity> records_;  // sequence n lies at n % kCapacity
  int64_t written_ = 0;
  int64_t read_ = 0;
};

}  // namespace llmrt::engine
