#include "transports/exec/start_child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transport/errno_status.h"
#include "transports/exec/parent_variable.h"

namespace sidecall {
namespace {

struct Pipe {
  static absl::StatusOr<Pipe> Make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "make a pipe");
    return Pipe{.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
  }
  UniqueFd read;
  UniqueFd write;
};

// What the child needs between its birth and its program, made before: there it may only make system calls.
struct Plan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int in;
  int out;
  int errors;  // -1: stderr stays as it is
  int failure;
  pid_t parent;
  bool dies_with_parent;
};

// Numbers above those that the child's ends are to have.
constexpr int kOutOfTheWay = 16;

// In a child of a process with threads nothing else may be called than the kernel: what a library's function
// does beside, a sanitizer's in its place above all, may wait for a lock whose thread is not there.
#define SIDECALL_ONLY_SYSTEM_CALLS __attribute__((no_sanitize("address", "thread", "undefined")))

[[noreturn]] SIDECALL_ONLY_SYSTEM_CALLS void Exit() {
  for (;;) syscall(SYS_exit_group, 127);
}

[[noreturn]] SIDECALL_ONLY_SYSTEM_CALLS void Fail(int failure) {
  const int error = errno;
  syscall(SYS_write, failure, &error, sizeof error);
  Exit();
}

SIDECALL_ONLY_SYSTEM_CALLS int OutOfTheWay(int descriptor) {
  return static_cast<int>(syscall(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, kOutOfTheWay));
}

SIDECALL_ONLY_SYSTEM_CALLS void ResetSignals() {
  // As the kernel has it: handler, flags, restorer, mask. All of it zero is SIG_DFL.
  const unsigned long by_default[4] = {0, 0, 0, 0};
  const unsigned long none = 0;
  for (int signal = 1; signal < NSIG; signal++) {
    syscall(SYS_rt_sigaction, signal, by_default, nullptr, sizeof none);
  }
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
}

[[noreturn]] SIDECALL_ONLY_SYSTEM_CALLS void RunProgram(const Plan& plan) {
  ResetSignals();
  if (plan.dies_with_parent) {
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (syscall(SYS_getppid) != plan.parent) Exit();  // It had died before.
  }
  const int failure = OutOfTheWay(plan.failure);
  if (failure < 0) Exit();
  const int in = OutOfTheWay(plan.in);
  const int out = OutOfTheWay(plan.out);
  if (in < 0 || out < 0) Fail(failure);
  if (plan.errors >= 0) {
    const int errors = OutOfTheWay(plan.errors);
    if (errors < 0 || syscall(SYS_dup3, errors, STDERR_FILENO, 0) < 0) Fail(failure);
  }
  if (syscall(SYS_dup3, in, kChildsIn, 0) < 0 || syscall(SYS_dup3, out, kChildsOut, 0) < 0) Fail(failure);
  // Whatever this process had open without O_CLOEXEC is none of the child's affair.
  constexpr unsigned kFirst = static_cast<unsigned>(kChildsOut) + 1;
  const unsigned kept = static_cast<unsigned>(failure);
  if (syscall(SYS_close_range, kFirst, kept - 1, 0u) != 0) Fail(failure);
  if (syscall(SYS_close_range, kept + 1, UINT_MAX, 0u) != 0) Fail(failure);
  syscall(SYS_execve, plan.program, plan.arguments, plan.environment);
  Fail(failure);
}

absl::Status ExecError(const std::string& program, int error) {
  const std::string what = absl::StrCat("start ", program);
  switch (error) {
    case EACCES:
    case EPERM:
      return ErrnoStatus(EACCES, what, "Make it executable, or check who may run it");
    case ENOENT:
    case ENOTDIR:
    case ENOEXEC:
    case EISDIR:
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": ", std::strerror(error), ". Check the path, and what its first line names"));
    default:
      return ErrnoStatus(error, what);
  }
}

absl::StatusOr<std::string> MakeCookie() {
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return ErrnoStatus(errno, "getrandom");
  return absl::StrCat(absl::Hex(random, absl::kZeroPad16));
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentWith(const std::string& variable) {
  std::vector<std::string> environment;
  const std::string prefix = absl::StrCat(kParentVariable, "=");
  for (char** entry = environ; *entry != nullptr; entry++) {
    if (std::strncmp(*entry, prefix.c_str(), prefix.size()) != 0) environment.emplace_back(*entry);
  }
  environment.push_back(variable);
  return environment;
}

// Forks with a pidfd: the pid alone could be reaped, and given to another, by whoever waits for any child.
// Returns once the child runs its program, or has ended.
pid_t ForkWithPidfd(int& pidfd) {
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD | CLONE_VFORK;
  arguments.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  return static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
}

}  // namespace

absl::StatusOr<StartedChild> StartChild(const ChildCommand& command) {
  auto program = command.Find();
  if (!program.ok()) return program.status();
  auto cookie = MakeCookie();
  if (!cookie.ok()) return cookie.status();
  absl::StatusOr<Pipe> pipes[4] = {Pipe::Make(), Pipe::Make(), Pipe::Make(), Pipe::Make()};
  for (const auto& pipe : pipes) {
    if (!pipe.ok()) return pipe.status();
  }
  auto& [to_child, from_child, failure, errors] = pipes;
  std::vector<std::string> arguments = {command.program};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = EnvironmentWith(ParentVariable(*cookie));
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const bool forwards = command.options.forward_stderr;
  const Plan plan{.program = program->c_str(),
                  .arguments = argument_pointers.data(),
                  .environment = environment_pointers.data(),
                  .in = to_child->read.get(),
                  .out = from_child->write.get(),
                  .errors = forwards ? errors->write.get() : -1,
                  .failure = failure->write.get(),
                  .parent = getpid(),
                  .dies_with_parent = command.options.dies_with_parent};
  int pidfd = -1;
  const pid_t pid = ForkWithPidfd(pidfd);
  if (pid == 0) RunProgram(plan);
  if (pid < 0) return ErrnoStatus(errno, "start " + command.program);
  UniqueFd process(pidfd);
  failure->write = UniqueFd();
  // What it had to say is there; the end may not be, where another thread has forked meanwhile.
  fcntl(failure->read.get(), F_SETFL, O_NONBLOCK);
  int error = 0;
  ssize_t told = 0;
  do {
    told = read(failure->read.get(), &error, sizeof error);
  } while (told < 0 && errno == EINTR);
  if (told > 0) {
    siginfo_t ended{};
    waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process.get()), &ended, WEXITED);
    return ExecError(command.program, told == sizeof error ? error : EIO);
  }
  return StartedChild{.child = std::make_shared<Child>(command.program, pid, std::move(process)),
                      .in = std::move(from_child->read),
                      .out = std::move(to_child->write),
                      .errors = forwards ? std::move(errors->read) : UniqueFd(),
                      .cookie = *cookie};
}

}  // namespace sidecall
