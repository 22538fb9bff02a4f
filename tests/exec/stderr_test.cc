// What a child writes to stderr, forwarded line by line.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <string>
#include <string_view>

#include "exec_calls.h"
#include "sidecall/log.h"

namespace exec_test {
namespace {

using sidecall::ChildOptions;
using sidecall::UniqueFd;

// In the place of stderr while this lives: a pipe.
class StderrPipe {
 public:
  StderrPipe() : own_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    out_ = UniqueFd(ends[0]);
    in_ = UniqueFd(ends[1]);
    size_ = fcntl(in_.get(), F_SETPIPE_SZ, 4096);
    dup2(in_.get(), STDERR_FILENO);
  }
  ~StderrPipe() { dup2(own_.get(), STDERR_FILENO); }
  StderrPipe(const StderrPipe&) = delete;
  StderrPipe& operator=(const StderrPipe&) = delete;

  // Leaves no room, and gives what it wrote for that.
  std::string Fill() const {
    std::string filling(static_cast<size_t>(std::max(size_, 0)), '-');
    EXPECT_EQ(write(in_.get(), filling.data(), filling.size()), size_);
    return filling;
  }
  // What was written, as soon as it is so many bytes.
  std::string Read(size_t bytes) const {
    std::string read_so_far;
    std::array<char, 4096> buffer{};
    pollfd item{.fd = out_.get(), .events = POLLIN, .revents = 0};
    while (read_so_far.size() < bytes && poll(&item, 1, 40'000) == 1) {
      const ssize_t size = read(out_.get(), buffer.data(), buffer.size());
      if (size <= 0) break;
      read_so_far.append(buffer.data(), static_cast<size_t>(size));
    }
    return read_so_far;
  }

 private:
  const UniqueFd own_;
  UniqueFd out_;
  UniqueFd in_;
  int size_ = 0;
};

void WriteErrors(const Plugin::Stub& stub, const std::string& text) {
  sidecall::ClientContext context;
  context.set_timeout(absl::FromChrono(kPatience));
  Message request;
  request.set_text(text);
  Message reply;
  EXPECT_TRUE(stub.WriteError(&context, request, &reply).ok());
}

ChildOptions Forwarded() {
  ChildOptions options;
  options.forward_stderr = true;
  return options;
}

std::string PrefixOf(const Plugin::Stub& stub) {
  return Program() + "[" + std::to_string(PidOf(stub)) + "]: ";
}

TEST(ExecTest, ErrorsAreForwardedLineByLine) {
  auto channel = Spawn("serve", Forwarded());
  std::string prefix;
  const StderrPipe errors;
  {
    const Plugin::Stub stub(channel);
    prefix = PrefixOf(stub);
    WriteErrors(stub, "one\ntwo\nthree, without an end");
  }
  channel.reset();
  const std::string expected = prefix + "one\n" + prefix + "two\n" + prefix + "three, without an end\n";
  EXPECT_EQ(errors.Read(expected.size()), expected);
}

TEST(ExecTest, WhoFloodsStderrHoldsUpNoOther) {
  const UniqueFd own(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  const UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  dup2(nowhere.get(), STDERR_FILENO);
  {
    const Plugin::Stub flooding(Spawn("flood", Forwarded()));
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
  sidecall::SetLogSink([](sidecall::LogLevel, std::string_view) {});  // Not to stderr.
  {
    const Plugin::Stub writing(Spawn("serve", Forwarded()));
    const std::string prefix = PrefixOf(writing);
    const StderrPipe errors;
    const std::string filling = errors.Fill();
    WriteErrors(writing, "one\ntwo\n");
    const Plugin::Stub other(Spawn("serve"));
    const pid_t others = PidOf(other);
    EXPECT_GT(others, 0) << "another is started";
    EXPECT_FALSE(End(other, 0, 0).ok());
    EXPECT_TRUE(AwaitReaped(others)) << "and reaped";
    const std::string expected = filling + prefix + "one\n" + prefix + "two\n";
    EXPECT_EQ(errors.Read(expected.size()), expected);
  }
  sidecall::SetLogSink(nullptr);
}

}  // namespace
}  // namespace exec_test
