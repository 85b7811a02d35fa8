#include "interrupt.h"

#include <csignal>

namespace llmrt::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void OnInterrupt(int) { g_interrupted = 1; }

bool IsIgnored() {
  struct sigaction current = {};
  return sigaction(SIGINT, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

}  // namespace

InterruptScope::InterruptScope() { Rearm(); }

InterruptScope::~InterruptScope() {
  if (!IsIgnored()) std::signal(SIGINT, SIG_DFL);
}

bool InterruptScope::interrupted() const { return g_interrupted != 0; }

void InterruptScope::Rearm() {
  g_interrupted = 0;
  // A program in the background was told to ignore Ctrl-C, and goes on ignoring it.
  if (IsIgnored()) return;
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  // One shot: the second Ctrl-C finds the default action. Without SA_RESTART a read from the
  // terminal ends too.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace llmrt::cli
