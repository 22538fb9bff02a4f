// The C library's functions, that they may be counted: a program's own definition goes before
// (wall_clock.cc).
#include "naming_calls.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>

namespace fault {
namespace {

std::atomic<int> calls_to_live{0};

void CountNamingCall() {
  if (calls_to_live.load() > 0 && calls_to_live.fetch_sub(1) == 1) kill(getpid(), SIGKILL);
}

// A queue's name in the kernel has no slash.
int QueueSyscall(long number, const char* name, int flags = 0, unsigned mode = 0,
                 const mq_attr* wanted = nullptr) {
  if (name[0] != '/') {
    errno = EINVAL;
    return -1;
  }
  return static_cast<int>(syscall(number, name + 1, flags, mode, wanted));
}

}  // namespace

void DieAtNamingCall(int which) {
  calls_to_live.store(which);
}

}  // namespace fault

extern "C" {

int mkfifo(const char* path, mode_t mode) noexcept {
  fault::CountNamingCall();
  return static_cast<int>(syscall(SYS_mknodat, AT_FDCWD, path, S_IFIFO | mode, 0));
}

int link(const char* from, const char* to) noexcept {
  fault::CountNamingCall();
  return static_cast<int>(syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int rename(const char* from, const char* to) noexcept {
  fault::CountNamingCall();
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char* path) noexcept {
  fault::CountNamingCall();
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

mqd_t mq_open(const char* name, int flags, ...) noexcept {
  fault::CountNamingCall();
  if ((flags & O_CREAT) == 0) return fault::QueueSyscall(SYS_mq_open, name, flags);
  va_list more;
  va_start(more, flags);
  const unsigned mode = va_arg(more, unsigned);
  const mq_attr* wanted = va_arg(more, const mq_attr*);
  va_end(more);
  return fault::QueueSyscall(SYS_mq_open, name, flags, mode, wanted);
}

int mq_unlink(const char* name) noexcept {
  fault::CountNamingCall();
  const int result = fault::QueueSyscall(SYS_mq_unlink, name);
  // As the C library has it.
  if (result != 0 && errno == EPERM) errno = EACCES;
  return result;
}

}  // extern "C"
