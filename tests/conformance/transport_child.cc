#include "tests/conformance/transport_child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/conformance/transport_fixture.h"

namespace sidecall {
namespace {

constexpr char kChildFlag[] = "--transport-child";
constexpr int kReadyFd = 3;
constexpr int kPatienceMillis = 30'000;

// A frame of this stream is echoed with the pid of an heir as its argument.
constexpr uint32_t kHeirStream = 0xfeed;

// Forked between two frames, not in a signal's handler: there a lock of malloc's, which fork() takes, may be
// held by what the signal interrupted.
pid_t ForkHeir() {
  const pid_t heir = fork();
  if (heir != 0) return heir;
  alarm(kPatienceMillis / 1000);
  for (;;) pause();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "transport child: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

ChildProcess::ChildProcess(const std::string& role, const std::string& address) {
  std::array<int, 2> pipe_fds{};
  if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) std::abort();
  ready_ = UniqueFd(pipe_fds[0]);
  const UniqueFd theirs(pipe_fds[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kReadyFd);
  std::string flag = kChildFlag;
  std::string role_copy = role;
  std::string address_copy = address;
  std::string program = "transport_contract";
  std::array<char*, 5> arguments = {program.data(), flag.data(), role_copy.data(), address_copy.data(),
                                    nullptr};
  if (posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments.data(), environ) != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) Kill();
}

bool ChildProcess::AwaitReady() {
  pollfd item{.fd = ready_.get(), .events = POLLIN, .revents = 0};
  char byte = 0;
  return pid_ > 0 && poll(&item, 1, kPatienceMillis) == 1 && read(ready_.get(), &byte, 1) == 1;
}

void ChildProcess::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

ChildsHeir::ChildsHeir(End& end) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  end.frames.clear();
  if (!end.Send(NumberedHeader(kHeirStream, Lane::kData, 0), "") || !end.AwaitFrames(1)) return;
  pid_ = static_cast<pid_t>(end.frames[0].header.argument);
}

ChildsHeir::~ChildsHeir() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool ChildsHeir::lives() const {
  return pid_ > 0 && kill(pid_, 0) == 0 && waitpid(pid_, nullptr, WNOHANG) <= 0;
}

int ChildProcess::AwaitExit() {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  pollfd item{.fd = process.get(), .events = POLLIN, .revents = 0};
  if (poll(&item, 1, kPatienceMillis) != 1) return -1;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int RunAsChild(const std::string& role, const std::string& text, int ready_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto address = Address::Parse(text);
  if (!address.ok()) return Fail(address.status());
  auto transport = FindTransport(*address);
  if (!transport.ok()) return Fail(transport.status());
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> connection;
  if (role == "serve") {
    auto listening = (*transport)->Listen(*address);
    if (!listening.ok()) return Fail(listening.status());
    listener = *std::move(listening);
    if (write(ready_fd, "r", 1) != 1) return 1;
    connection = AwaitConnection(*listener);
  } else {
    auto connected = (*transport)->Connect(*address, TestDeadline(), -1);
    if (!connected.ok()) return Fail(connected.status());
    connection = *std::move(connected);
    if (write(ready_fd, "r", 1) != 1) return 1;
  }
  if (connection == nullptr) return Fail(absl::DeadlineExceededError("no connection came"));
  End end(std::move(connection));
  size_t echoed = 0;
  while (end.Await([&] { return end.frames.size() > echoed || end.closed > 0; }) && end.closed == 0) {
    for (; echoed < end.frames.size(); echoed++) {
      ReceivedFrame frame = end.frames[echoed];  // Send may receive more.
      if (frame.header.stream == kHeirStream) frame.header.argument = static_cast<uint64_t>(ForkHeir());
      if (!end.Send(frame.header, frame.body)) return Fail(end.why);
    }
  }
  return end.closed == 1 && absl::IsUnavailable(end.why) ? 0 : Fail(end.why);
}

}  // namespace sidecall

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], sidecall::kChildFlag) == 0) {
    return sidecall::RunAsChild(argv[2], argv[3], sidecall::kReadyFd);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
