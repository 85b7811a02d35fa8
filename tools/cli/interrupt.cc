#include "interrupt.h"

#include <csignal>

namespace llmrt::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t g_interrupted = 0;
// By SIGTERM or SIGHUP, which mean the whole process: Rearm forgets a Ctrl-C, but not these.
volatile std::sig_atomic_t g_told_to_end = 0;

void OnSignal(int number) {
  if (number == SIGINT) {
    g_interrupted = 1;
  } else {
    g_told_to_end = 1;
  }
}

bool IsIgnored(int number) {
  struct sigaction current = {};
  return sigaction(number, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

}  // namespace

InterruptScope::InterruptScope() { Rearm(); }

InterruptScope::~InterruptScope() {
  for (const int number : kSignals) {
    if (!IsIgnored(number)) std::signal(number, SIG_DFL);
  }
}

bool InterruptScope::interrupted() const { return g_interrupted != 0 || g_told_to_end != 0; }

void InterruptScope::Rearm() {
  g_interrupted = 0;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  // One shot: the second signal finds the default action. Without SA_RESTART a read from the
  // terminal ends too.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : kSignals) {
    // A program in the background was told to ignore Ctrl-C, one under nohup SIGHUP, and goes on
    // ignoring it. Who was told to end already is not asked twice.
    if (IsIgnored(number) || (number != SIGINT && g_told_to_end != 0)) continue;
    sigaction(number, &action, nullptr);
  }
}

}  // namespace llmrt::cli
