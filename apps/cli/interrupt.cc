#include "interrupt.h"

#include <csignal>

namespace gemma3n::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;
struct sigaction previous_action;

void note_interrupt(int) { interrupted = 1; }

}  // namespace

InterruptScope::InterruptScope(Second second) {
  interrupted = 0;
  struct sigaction action = {};
  action.sa_handler = note_interrupt;
  sigemptyset(&action.sa_mask);
  if (second == Second::kEndsTheProgram) action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, &previous_action);
}

InterruptScope::~InterruptScope() { ::sigaction(SIGINT, &previous_action, nullptr); }

bool InterruptScope::requested() const { return interrupted != 0; }

}  // namespace gemma3n::cli
