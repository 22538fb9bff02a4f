#include "core/reload_on_hangup.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/config_file.h"
#include "sidecall/status.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// For as long as the process lives, since a signal may come at any time.
int hangups = -1;

void OnHangup(int) {
  const int saved = errno;
  const uint64_t one = 1;
  (void)!write(hangups, &one, sizeof one);
  errno = saved;
}

[[noreturn]] void ReloadAtEachHangup() {
  pthread_setname_np(pthread_self(), "sidecall-config");
  for (;;) {
    uint64_t count = 0;
    if (read(hangups, &count, sizeof count) != sizeof count) continue;  // A debugger's signal.
    absl::Status read_again = ConfigFile::Reload();
    if (!read_again.ok()) {
      Log(LogLevel::kError, absl::StrCat("SIGHUP: the config file is not in force, or not for every server: ",
                                         std::string(StatusMessage(read_again))));
    }
  }
}

// A child has no thread to do it, and its signals are no affair of the parent's.
void ForgetInChild() {
  struct sigaction now {};
  if (sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == OnHangup) signal(SIGHUP, SIG_DFL);
}

bool Begin() {
  struct sigaction now {};
  if (sigaction(SIGHUP, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return false;
  hangups = eventfd(0, EFD_CLOEXEC);
  if (hangups < 0) return false;
  try {
    std::thread(ReloadAtEachHangup).detach();
  } catch (const std::system_error&) {
    return false;
  }
  pthread_atfork(nullptr, nullptr, ForgetInChild);
  struct sigaction action {};
  action.sa_handler = OnHangup;
  action.sa_flags = SA_RESTART;
  return sigaction(SIGHUP, &action, nullptr) == 0;
}

}  // namespace

void ReloadConfigOnHangup() {
  static const bool begun = Begin();
  (void)begun;
}

}  // namespace sidecall
