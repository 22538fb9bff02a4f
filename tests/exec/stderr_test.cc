// What a child writes to stderr, forwarded line by line.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

#include "exec_calls.h"

namespace exec_test {
namespace {

using sidecall::ChildOptions;
using sidecall::UniqueFd;

TEST(ExecTest, ErrorsAreForwardedLineByLine) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  const UniqueFd own(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  ChildOptions options;
  options.forward_stderr = true;
  std::string prefix;
  {
    auto channel = Spawn("serve", options);
    const Plugin::Stub stub(channel);
    const pid_t pid = PidOf(stub);
    prefix = Program() + "[" + std::to_string(pid) + "]: ";
    dup2(in.get(), STDERR_FILENO);
    sidecall::ClientContext context;
    Message request;
    request.set_text("one\ntwo\nthree, without an end");
    Message reply;
    EXPECT_TRUE(stub.WriteError(&context, request, &reply).ok());
    channel.reset();
  }
  std::string forwarded;
  std::array<char, 4096> bytes{};
  const std::string expected = prefix + "one\n" + prefix + "two\n" + prefix + "three, without an end\n";
  pollfd item{.fd = out.get(), .events = POLLIN, .revents = 0};
  while (forwarded.size() < expected.size() && poll(&item, 1, 40'000) == 1) {
    const ssize_t size = read(out.get(), bytes.data(), bytes.size());
    if (size <= 0) break;
    forwarded.append(bytes.data(), static_cast<size_t>(size));
  }
  dup2(own.get(), STDERR_FILENO);
  EXPECT_EQ(forwarded, expected);
}

TEST(ExecTest, WhoFloodsStderrHoldsUpNoOther) {
  const UniqueFd own(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  const UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  dup2(nowhere.get(), STDERR_FILENO);
  ChildOptions options;
  options.forward_stderr = true;
  {
    const Plugin::Stub flooding(Spawn("flood", options));
    const pid_t pid = PidOf(flooding);
    EXPECT_TRUE(Echo(Plugin::Stub(Spawn("serve")), 1).ok()) << "another is started";
    kill(pid, SIGKILL);
    EXPECT_TRUE(AwaitReaped(pid));
    EXPECT_TRUE(Echo(Plugin::Stub(Spawn("serve")), 2).ok()) << "and the last of its lines are out";
  }
  dup2(own.get(), STDERR_FILENO);
}

// Nobody reads this process's own stderr: children are started and reaped all the same, and no line is lost.
TEST(ExecTest, StuckStderrHoldsUpNobody) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd out(ends[0]);
  const UniqueFd in(ends[1]);
  const int size = fcntl(in.get(), F_SETPIPE_SZ, 4096);
  ASSERT_GE(size, 4096);
  const UniqueFd own(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  ChildOptions options;
  options.forward_stderr = true;
  const std::string filling(static_cast<size_t>(size), '-');
  std::string forwarded;
  {
    const Plugin::Stub writing(Spawn("serve", options));
    const pid_t pid = PidOf(writing);
    ASSERT_EQ(write(in.get(), filling.data(), filling.size()), size);
    dup2(in.get(), STDERR_FILENO);
    sidecall::ClientContext context;
    Message request;
    request.set_text("one\ntwo\n");
    Message reply;
    EXPECT_TRUE(writing.WriteError(&context, request, &reply).ok());
    const Plugin::Stub other(Spawn("serve"));
    const pid_t others = PidOf(other);
    EXPECT_GT(others, 0) << "another is started";
    EXPECT_FALSE(End(other, 0, 0).ok());
    EXPECT_TRUE(AwaitReaped(others)) << "and reaped";
    const std::string prefix = Program() + "[" + std::to_string(pid) + "]: ";
    const std::string expected = filling + prefix + "one\n" + prefix + "two\n";
    std::array<char, 4096> bytes{};
    pollfd item{.fd = out.get(), .events = POLLIN, .revents = 0};
    while (forwarded.size() < expected.size() && poll(&item, 1, 40'000) == 1) {
      const ssize_t count = read(out.get(), bytes.data(), bytes.size());
      if (count <= 0) break;
      forwarded.append(bytes.data(), static_cast<size_t>(count));
    }
    dup2(own.get(), STDERR_FILENO);
    EXPECT_EQ(forwarded, expected);
  }
}

}  // namespace
}  // namespace exec_test
