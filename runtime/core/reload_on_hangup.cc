#include "core/reload_on_hangup.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/config_file.h"
#include "sidecall/status.h"
#include "transport/errno_status.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// For as long as the process lives, since a signal may come at any time.
std::atomic<int> hangups{-1};

void OnHangup(int) {
  const int saved = errno;
  const uint64_t one = 1;
  (void)!write(hangups.load(std::memory_order_relaxed), &one, sizeof one);
  errno = saved;
}

[[noreturn]] void ReloadAtEachHangup(int hangups) {
  pthread_setname_np(pthread_self(), "sidecall-config");
  for (;;) {
    uint64_t count = 0;
    if (read(hangups, &count, sizeof count) != sizeof count) continue;  // A debugger's signal.
    absl::Status read_again;
    try {
      read_again = ConfigFile::Reload();
    } catch (const std::bad_alloc&) {
      read_again = absl::ResourceExhaustedError("no memory to read the config file");
    }
    if (!read_again.ok()) {
      Log(LogLevel::kError, absl::StrCat("SIGHUP: the config file is not in force, or not for every server: ",
                                         std::string(StatusMessage(read_again))));
    }
  }
}

// Never destroyed: threads may outlive static destruction.
std::mutex& Mutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

bool begun = false;  // under the mutex

// A child has no thread to do it, and its signals are no affair of the parent's.
void ForgetInChild() {
  begun = false;
  new (&Mutex()) std::mutex;  // Another thread of the parent had it, perhaps.
  struct sigaction now {};
  if (sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == OnHangup) signal(SIGHUP, SIG_DFL);
}

// Empty, or why SIGHUP does not have the file read.
std::string Begin() {
  struct sigaction now {};
  if (sigaction(SIGHUP, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return "";  // The program's affair.
  const int made = eventfd(0, EFD_CLOEXEC);
  if (made < 0) return std::string(ErrnoStatus(errno, "eventfd").message());
  hangups = made;
  try {
    std::thread(ReloadAtEachHangup, made).detach();
  } catch (const std::system_error& error) {
    close(made);
    return error.what();
  }
  static const int registered = pthread_atfork(nullptr, nullptr, ForgetInChild);
  (void)registered;
  struct sigaction action {};
  action.sa_handler = OnHangup;
  action.sa_flags = SA_RESTART;
  return sigaction(SIGHUP, &action, nullptr) == 0 ? ""
                                                  : std::string(ErrnoStatus(errno, "sigaction").message());
}

}  // namespace

void ReloadConfigOnHangup() {
  std::string failed;
  {
    const std::lock_guard lock(Mutex());
    if (begun) return;
    failed = Begin();
    begun = failed.empty();
  }
  if (!failed.empty())
    Log(LogLevel::kWarning, absl::StrCat("SIGHUP will not have the config file read: ", failed));
}

}  // namespace sidecall
