// Ctrl-C, and the signals SIGTERM and SIGHUP that ask for the same, for the command line alone: the
// library installs no signal handler. The handler sets a flag; whoever waits looks at it between
// waits.
#pragma once

namespace llmrt::cli {

// While one lives, the first signal of each kind sets the flag and a second one kills the process,
// as it would have without this class. One at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // Whether Ctrl-C was pressed since the scope began or Rearm was called, or the process was ever
  // told to end.
  bool interrupted() const;
  // Waits for the next Ctrl-C.
  void Rearm();
};

}  // namespace llmrt::cli
