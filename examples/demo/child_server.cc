#include "demo/child_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{10};

absl::Status Errno(const char* what) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// The next bytes from `output`; "" at its end.
absl::StatusOr<std::string> ReadSome(int output, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd readable{output, POLLIN, 0};
  const int ready = poll(&readable, 1, left > 0 ? static_cast<int>(left) : 0);
  if (ready < 0) return Errno("poll");
  if (ready == 0) return absl::DeadlineExceededError("hello_server said nothing for ten seconds");
  char bytes[512];
  const ssize_t size = read(output, bytes, sizeof bytes);
  if (size < 0) return Errno("read");
  return std::string(bytes, static_cast<size_t>(size));
}

// Runs in the child: nothing but system calls between fork and exec.
[[noreturn]] void Become(const char* program, const char* option, int output, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // no server outlives the demo
  if (getppid() != parent || dup2(output, STDOUT_FILENO) < 0) _exit(127);
  execl(program, program, option, static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildServer>> ChildServer::Start(const std::string& program,
                                                                const std::string& address) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Errno("pipe2");
  const std::string option = "--address=" + address;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(program.c_str(), option.c_str(), ends[1], parent);
  const absl::Status failed = pid < 0 ? Errno("fork") : absl::OkStatus();
  close(ends[1]);
  if (!failed.ok()) {
    close(ends[0]);
    return failed;
  }
  std::unique_ptr<ChildServer> server(new ChildServer(pid, ends[0]));
  absl::Status status = server->AwaitLine("listening on " + address + "\n");
  if (!status.ok()) return status;
  return server;
}

absl::Status ChildServer::AwaitLine(const std::string& expected) const {
  const Clock::time_point deadline = Clock::now() + kPatience;
  std::string said;
  while (said != expected) {
    absl::StatusOr<std::string> more = ReadSome(output_, deadline);
    if (!more.ok()) return more.status();
    said += *more;
    if (more->empty() || said.size() > expected.size()) {
      return absl::AbortedError(absl::StrCat("hello_server ended, or said something else: '", said, "'"));
    }
  }
  return absl::OkStatus();
}

absl::Status ChildServer::Stop() {
  kill(pid_, SIGTERM);
  const Clock::time_point deadline = Clock::now() + kPatience;
  absl::StatusOr<std::string> more = ReadSome(output_, deadline);
  while (more.ok() && !more->empty()) more = ReadSome(output_, deadline);
  if (!more.ok()) kill(pid_, SIGKILL);
  int ended = 0;
  const pid_t reaped = waitpid(pid_, &ended, 0);
  pid_ = -1;
  if (reaped < 0) return Errno("waitpid");
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("hello_server did not end cleanly: wait status ", ended));
}

ChildServer::~ChildServer() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(output_);
}

}  // namespace demo
