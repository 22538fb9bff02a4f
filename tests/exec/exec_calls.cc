#include "exec_calls.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

namespace exec_test {

absl::Status Echo(const Plugin::Stub& stub, int64_t number, size_t size) {
  sidecall::ClientContext context;
  context.set_timeout(absl::FromChrono(kPatience));
  Message request;
  request.set_number(number);
  request.set_text(std::string(size, 'x'));
  Message reply;
  absl::Status status = stub.Echo(&context, request, &reply);
  EXPECT_TRUE(!status.ok() || (reply.number() == number && reply.text() == request.text()));
  return status;
}

std::string Tell(const Plugin::Stub& stub, const std::string& what) {
  sidecall::ClientContext context;
  context.set_timeout(absl::FromChrono(kPatience));
  Message request;
  request.set_text(what);
  Message reply;
  const absl::Status status = stub.Tell(&context, request, &reply);
  EXPECT_TRUE(status.ok()) << status;
  return reply.text();
}

pid_t PidOf(const Plugin::Stub& stub) {
  const std::string pid = Tell(stub, "pid");
  return pid.empty() ? -1 : std::stoi(pid);
}

absl::Status End(const Plugin::Stub& stub, int status, int signal) {
  sidecall::ClientContext context;
  context.set_timeout(absl::FromChrono(kPatience));
  Ending ending;
  ending.set_status(status);
  ending.set_signal(signal);
  Message reply;
  return stub.End(&context, ending, &reply);
}

Process::Process(pid_t pid) : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

bool Process::AwaitEnd() const {
  pollfd item{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return poll(&item, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1;
}

bool AwaitReaped(pid_t pid) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (kill(pid, 0) == 0) {
    if (std::chrono::steady_clock::now() > limit) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

absl::StatusOr<std::unique_ptr<sidecall::Server>> ServeAt(const std::string& address,
                                                          Plugin::Service& service) {
  return sidecall::ServerBuilder().AddAddress(address).RegisterService(&service).BuildAndStart();
}

std::shared_ptr<sidecall::Channel> Spawn(const std::string& role, const sidecall::ChildOptions& options) {
  return sidecall::SpawnChild(Program(), RoleArguments(role), options);
}

}  // namespace exec_test
