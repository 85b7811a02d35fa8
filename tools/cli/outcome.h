// How a command, or a step of one, ended: the exit status and, unless it is 0, the line that says
// why. The command line throws no exceptions; functions return an Outcome and write results through
// pointers.
#pragma once

#include <string>
#include <utility>

namespace llmrt::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongUsage = 2;

struct [[nodiscard]] Outcome {
  int exit_status = kExitDone;
  std::string message;  // one line, without "llmrt: "

  bool ok() const { return exit_status == kExitDone; }
};

inline Outcome Done() { return {}; }
inline Outcome Failed(std::string message) { return {kExitFailed, std::move(message)}; }
inline Outcome WrongUsage(std::string message) { return {kExitWrongUsage, std::move(message)}; }

}  // namespace llmrt::cli

// Leaves the calling function with what `expression` gives, unless that is Done.
#define LLMRT_CLI_TRY(expression)                      \
  do {                                                 \
    ::llmrt::cli::Outcome try_outcome_ = (expression); \
    if (!try_outcome_.ok()) return try_outcome_;       \
  } while (false)
