#include "interrupt.h"

#include <csignal>

namespace llmrt::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void OnInterrupt(int) { g_interrupted = 1; }

void Install() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  // One shot: the second Ctrl-C finds the default action. Without SA_RESTART a read from the
  // terminal ends too.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

InterruptScope::InterruptScope() { Rearm(); }

InterruptScope::~InterruptScope() { std::signal(SIGINT, SIG_DFL); }

bool InterruptScope::interrupted() const { return g_interrupted != 0; }

void InterruptScope::Rearm() {
  g_interrupted = 0;
  Install();
}

}  // namespace llmrt::cli
