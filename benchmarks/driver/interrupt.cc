#include "interrupt.h"

#include <csignal>

namespace bench {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void Note(int) {
  interrupted = 1;
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = &Note;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  // A worker that died shows in what write(2) returns.
  std::signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() {
  return interrupted != 0;
}

absl::Status InterruptedError() {
  return absl::CancelledError("interrupted");
}

}  // namespace bench
