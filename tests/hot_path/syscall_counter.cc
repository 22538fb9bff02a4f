#include "syscall_counter.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

constexpr unsigned long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;

// A child that stops until it is traced, then runs `body`.
pid_t ForkTraced(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    raise(SIGSTOP);
    _exit(body());
  }
  int status = 0;
  waitpid(pid, &status, WUNTRACED);
  const bool traced = ptrace(PTRACE_SEIZE, pid, nullptr, kOptions) == 0;
  kill(pid, traced ? SIGCONT : SIGKILL);
  return traced ? pid : -1;
}

bool Counts(const SyscallWindow& window, pid_t thread) {
  return thread == window.client_thread.load() || thread == window.server_thread.load();
}

// Deals with one stop of a traced thread, and lets it go on.
void GoOn(SyscallWindow& window, pid_t thread, int status) {
  if (!WIFSTOPPED(status)) return;
  const int signal = WSTOPSIG(status);
  const bool event = status >> 16 != 0;
  if (signal == (SIGTRAP | 0x80) && Counts(window, thread))
    window.count.fetch_add(1);  // at entry and at exit
  const bool deliver = !event && signal != (SIGTRAP | 0x80) && signal != SIGTRAP && signal != SIGSTOP;
  ptrace(PTRACE_SYSCALL, thread, nullptr, deliver ? signal : 0);
}

}  // namespace

int RunCounted(SyscallWindow& window, const std::function<void(const std::function<void()>& ready)>& first,
               const std::function<int()>& second, int seconds) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0) return -1;
  const pid_t first_pid = ForkTraced([&] {
    first([&] { (void)!write(ready[1], "r", 1); });
    return 0;
  });
  if (first_pid < 0) return kMayNotTrace;
  pid_t second_pid = -1;
  int result = -1;
  alarm(static_cast<unsigned>(
      seconds));  // The last resort: ends the test, and by PTRACE_O_EXITKILL its children.
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0 && errno != EINTR) break;
    if (thread == second_pid && (WIFEXITED(status) || WIFSIGNALED(status))) {
      result = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      break;
    }
    if (thread > 0) GoOn(window, thread, status);
    char byte = 0;
    if (second_pid < 0 && read(ready[0], &byte, 1) == 1) second_pid = ForkTraced(second);
  }
  alarm(0);
  kill(first_pid, SIGKILL);
  while (waitpid(-1, nullptr, __WALL) > 0) {
  }
  close(ready[0]);
  close(ready[1]);
  return result;
}
