#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/time/clock.h"
#include "interrupt.h"

namespace bench {
namespace {

constexpr int kCannotRun = 127;

// In the child, before it becomes the program. Async-signal-safe calls only.
[[noreturn]] void Become(char* const* arguments, const cpu_set_t& cpus, int in, int out, int errors,
                         pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotRun);
  // Ctrl-C is for the driver, which then ends its children.
  signal(SIGINT, SIG_IGN);
  signal(SIGPIPE, SIG_DFL);
  if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
    _exit(kCannotRun);
  if (sched_setaffinity(0, sizeof cpus, &cpus) < 0) _exit(kCannotRun);
  execv(arguments[0], arguments);
  _exit(kCannotRun);
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    return "signal " + std::to_string(WTERMSIG(status)) + " (" + strsignal(WTERMSIG(status)) + ")";
  }
  if (WEXITSTATUS(status) == kCannotRun) return "it could not be started";
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& arguments,
                                                        const std::vector<int>& cpus, Errors errors) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  for (const int cpu : cpus) CPU_SET(static_cast<size_t>(cpu), &allowed);

  std::array<int, 2> in;
  std::array<int, 2> out;
  if (pipe2(in.data(), O_CLOEXEC) < 0) return absl::ErrnoToStatus(errno, "pipe2");
  if (pipe2(out.data(), O_CLOEXEC) < 0) return absl::ErrnoToStatus(errno, "pipe2");
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int stderr_of_child = errors == Errors::kShown ? STDERR_FILENO : null;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(pointers.data(), allowed, in[0], out[1], stderr_of_child, parent);
  const int error = errno;
  close(null);
  close(in[0]);
  close(out[1]);
  std::unique_ptr<Process> process(new Process(pid, in[1], out[0]));
  if (pid < 0) return absl::ErrnoToStatus(error, "fork");
  return process;
}

Process::~Process() {
  close(to_child_);
  close(from_child_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::Status Process::Write(const void* from, size_t bytes) {
  if (write(to_child_, from, bytes) == static_cast<ssize_t>(bytes)) return absl::OkStatus();
  return Gone();
}

absl::Status Process::Read(void* to, size_t bytes, absl::Time deadline) {
  constexpr absl::Duration kLookForInterrupts = absl::Milliseconds(200);
  char* at = static_cast<char*>(to);
  while (bytes > 0) {
    if (Interrupted()) return InterruptedError();
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("no answer in time");
    pollfd readable{from_child_, POLLIN, 0};
    const int64_t wait = absl::ToInt64Milliseconds(std::min(left, kLookForInterrupts)) + 1;
    if (poll(&readable, 1, static_cast<int>(wait)) <= 0) continue;
    const ssize_t got = read(from_child_, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Gone();
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

void Process::Pause() {
  if (pid_ > 0) kill(pid_, SIGSTOP);
}

void Process::Resume() {
  if (pid_ > 0) kill(pid_, SIGCONT);
}

absl::Status Process::Gone() {
  if (pid_ <= 0) return absl::UnavailableError("it is gone");
  // It closed its end, so it is about to exit; should it not, it is made to.
  int status = 0;
  for (int tries = 0; tries < 100; ++tries) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      return absl::UnavailableError("it ended: " + HowItEnded(status));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  return absl::UnavailableError("it closed its end");
}

}  // namespace bench
