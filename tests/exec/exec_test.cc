// exec: and SpawnChild: a child that serves its parent, and what becomes of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>

#include "exec_calls.h"
#include "plugin.h"
#include "sidecall/child_address.h"
#include "sidecall/log.h"
#include "sidecall/sidecall.h"
#include "sidecall/spawn_child.h"
#include "transport/unique_fd.h"
#include "transports/exec/child_keeper.h"
#include "transports/exec/child_stream.h"

namespace exec_test {
namespace {

using sidecall::ChildAddress;
using sidecall::ChildOptions;
using sidecall::SpawnChild;
using sidecall::UniqueFd;
using testing::HasSubstr;

TEST(ExecTest, ChildServes) {
  const auto channel = Spawn("serve");
  const Plugin::Stub stub(channel);
  ASSERT_TRUE(Echo(stub, 1).ok());
  EXPECT_TRUE(Echo(stub, 2, 3 << 20).ok());
  EXPECT_NE(PidOf(stub), getpid());
  sidecall::ClientContext context;
  Message request;
  request.set_number(1000);
  const auto reader = stub.Count(&context, request);
  int64_t count = 0;
  for (Message message; reader->Read(&message); count++) EXPECT_EQ(message.number(), count);
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(count, 1000);
  EXPECT_THAT(Tell(stub, "peer"), HasSubstr("pid " + std::to_string(getpid())));
}

TEST(ExecTest, AddressSaysItAll) {
  EXPECT_EQ(
      ChildAddress("/usr/lib/plug in", {"--what=50%", "a?b", ""}),
      "exec:/usr/lib/plug%20in --what=50%25 a%3fb ?dies_with_parent=yes&forward_stderr=no&max_restarts=5&"
      "grace=2s");
  const Plugin::Stub stub(sidecall::CreateChannel(ChildAddress(Program(), RoleArguments("serve"))));
  EXPECT_TRUE(Echo(stub, 1).ok());
}

TEST(ExecTest, AddressesThatAreNone) {
  for (const char* address : {"exec: ", "exec:a%2", "exec:a%zz", "exec:/bin/true?grace=soon",
                              "exec:/bin/true?why=1", "exec:/bin/true?forward_stderr=maybe",
                              "exec:/bin/true?max_restarts=-1", "fd:3", "fd:900,901", "fd:a,b", "fd:0,1,2"}) {
    const absl::Status status = Echo(Plugin::Stub(sidecall::CreateChannel(address)), 1);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address << ": " << status;
  }
}

// -- What it inherits

TEST(ExecTest, NothingElseIsInherited) {
  const UniqueFd leaky(open("/dev/zero", O_RDONLY));  // Without O_CLOEXEC.
  ASSERT_TRUE(leaky.valid());
  const UniqueFd high(fcntl(leaky.get(), F_DUPFD, 700));
  const Plugin::Stub stub(Spawn("serve"));
  const std::string descriptors = Tell(stub, "descriptors");
  EXPECT_THAT(descriptors, HasSubstr("3=pipe:"));
  EXPECT_THAT(descriptors, HasSubstr("4=pipe:"));
  EXPECT_THAT(descriptors, testing::Not(HasSubstr("/dev/zero")));
  EXPECT_EQ(Tell(stub, "environment"), "gone") << "its own children would take it for theirs";
}

TEST(ExecTest, SignalsAreAsByDefault) {
  // Blocked and ignored here, yet a child that gets SIGTERM dies of it.
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  auto* const handler = signal(SIGTERM, SIG_IGN);
  const Plugin::Stub stub(Spawn("serve"));
  const pid_t pid = PidOf(stub);
  const Process process(pid);
  EXPECT_EQ(kill(pid, SIGTERM), 0);
  EXPECT_TRUE(process.AwaitEnd());
  signal(SIGTERM, handler);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// -- Handshake

TEST(ExecTest, WhatIsNoPlugin) {
  EXPECT_TRUE(absl::IsInvalidArgument(Echo(Plugin::Stub(SpawnChild("/nonexistent/plugin")), 1)));
  EXPECT_TRUE(absl::IsInvalidArgument(Echo(Plugin::Stub(SpawnChild("no-such-program-in-path")), 1)));
  EXPECT_TRUE(absl::IsPermissionDenied(Echo(Plugin::Stub(SpawnChild("/etc/passwd")), 1)));
  const absl::Status exited = Echo(Plugin::Stub(Spawn("exit")), 1);
  EXPECT_TRUE(absl::IsUnavailable(exited));
  EXPECT_THAT(exited.message(), HasSubstr("exited with status 3 before it greeted"));
  const absl::Status babbled = Echo(Plugin::Stub(Spawn("babble")), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(babbled)) << babbled;
  EXPECT_THAT(babbled.message(), HasSubstr("hello, world"));
  const absl::Status version = Echo(Plugin::Stub(Spawn("other version")), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(version)) << version;
  EXPECT_THAT(version.message(), HasSubstr("another version"));
  const absl::Status cookie = Echo(Plugin::Stub(Spawn("other cookie")), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(cookie)) << cookie;
  EXPECT_THAT(cookie.message(), HasSubstr("another parent"));
}

TEST(ExecTest, OneThatDoesNotGreetEndsWithTheDeadline) {
  sidecall::ChannelOptions options;
  options.connect_timeout = absl::Milliseconds(200);
  const Plugin::Stub stub(sidecall::CreateChannel(ChildAddress(Program(), RoleArguments("silent")), options));
  const absl::Status status = Echo(stub, 1);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("does not greet"));
}

// Calls that do not wait as long as it takes to start do not start it for ever.
TEST(ExecTest, OneThatIsSlowToGreetIsFoundByALaterCall) {
  const std::string file = testing::TempDir() + "/late-" + std::to_string(getpid());
  const std::string address = ChildAddress(Program(), RoleArguments("late", file));
  const Plugin::Stub stub(sidecall::CreateChannel(address));
  for (int call = 0; call < 3; call++) {
    sidecall::ClientContext context;
    context.set_timeout(absl::Milliseconds(100));
    Message reply;
    const absl::Status status = stub.Echo(&context, Message(), &reply);
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  }
  std::ofstream(file).put('x');
  EXPECT_TRUE(Echo(stub, 1).ok());
  EXPECT_EQ(std::filesystem::file_size(file + ".starts"), 1U);
  std::filesystem::remove(file);
  std::filesystem::remove(file + ".starts");
}

TEST(ExecTest, ChildThatNoConnectionCanBeMadeToIsEnded) {
  const auto keeper = sidecall::ChildKeeper::OfProcess();
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  const sidecall::ChildCommand command{
      .program = Program(), .arguments = RoleArguments("silent"), .options = {}};
  auto started = (*keeper)->Start(command);
  ASSERT_TRUE(started.ok()) << started.status();
  const Process process(started->child->record()->pid());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 4, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status status =
      ConnectionTo(started->child, std::move(started->in), std::move(started->out), absl::InfiniteDuration())
          .status();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(process.AwaitEnd());
  EXPECT_TRUE(started->child->record()->let_go()) << "no crash of its own";
}

std::string OutputOf(const std::string& command) {
  std::string output;
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::array<char, 256> bytes{};
  while (pipe != nullptr && std::fgets(bytes.data(), bytes.size(), pipe.get()) != nullptr)
    output += bytes.data();
  return output;
}

TEST(ExecTest, StartedByHandItExplainsItself) {
  EXPECT_THAT(OutputOf(Program() + " --role 'by hand'"), HasSubstr("this program is a plug-in"));
  EXPECT_THAT(OutputOf("SIDECALL_PARENT='1 90 91 beef' " + Program() + " --role 'by hand'"),
              HasSubstr("this program is a plug-in"));
  EXPECT_THAT(OutputOf("SIDECALL_PARENT='999 3 4 beef' " + Program() + " --role 'by hand'"),
              HasSubstr("speaks version 999"));
}

// -- Crash and restart

TEST(ExecTest, ACrashIsToldOfAndTheNextCallStartsItAnew) {
  const Plugin::Stub stub(Spawn("serve"));
  const pid_t first = PidOf(stub);
  const absl::Status crashed = End(stub, 0, SIGSEGV);
  EXPECT_TRUE(absl::IsUnavailable(crashed)) << crashed;
  EXPECT_TRUE(Echo(stub, 2).ok()) << "started anew, after a pause";
  EXPECT_NE(PidOf(stub), first);
  EXPECT_TRUE(AwaitReaped(first));
}

TEST(ExecTest, WhoDoesNotWaitAsLongIsToldWhenItIsStartedAgain) {
  const Plugin::Stub stub(sidecall::CreateChannel(ChildAddress(Program(), RoleArguments("exit", "now"))));
  absl::Status status;
  for (int call = 0; call < 3; call++) EXPECT_TRUE(absl::IsUnavailable(Echo(stub, call)));
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(1));
  Message reply;
  status = stub.Echo(&context, Message(), &reply);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("is started again in"));
}

// It runs on the thread that would have to start the child.
TEST(ExecTest, LogSinkThatStartsAChildIsRefused) {
  std::promise<absl::Status> called;
  std::atomic<bool> first{true};
  sidecall::SetLogSink([&](sidecall::LogLevel, std::string_view message) {
    if (message.find("exited with status 5") == std::string_view::npos || !first.exchange(false)) return;
    const Plugin::Stub other(
        sidecall::CreateChannel(ChildAddress(Program(), RoleArguments("serve", "sink"))));
    called.set_value(Echo(other, 1));
  });
  const Plugin::Stub stub(Spawn("serve"));
  EXPECT_FALSE(End(stub, 5, 0).ok());
  auto status = called.get_future();
  ASSERT_EQ(status.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(absl::IsFailedPrecondition(status.get()));
  sidecall::SetLogSink(nullptr);
}

TEST(ExecTest, TooManyCrashesAreTheLast) {
  ChildOptions options;
  options.max_restarts = 2;
  const Plugin::Stub stub(SpawnChild(Program(), RoleArguments("serve", "too many"), options));
  for (int crash = 0; crash < 3; crash++) {
    ASSERT_TRUE(Echo(stub, crash).ok()) << crash;
    EXPECT_FALSE(End(stub, 7, 0).ok());
  }
  // That it has ended is known once it is reaped; a call before that may try, and finds it so.
  absl::Status status;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  do {
    status = Echo(stub, 9);
  } while (absl::IsUnavailable(status) && std::chrono::steady_clock::now() < limit);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("exited with status 7"));
  EXPECT_THAT(status.message(), HasSubstr("max_restarts"));
}

// -- Ends

TEST(ExecTest, LeavesWhenTheChannelGoes) {
  auto channel = Spawn("serve");
  const pid_t pid = PidOf(Plugin::Stub(channel));
  channel.reset();
  EXPECT_TRUE(AwaitReaped(pid));
}

TEST(ExecTest, WhoStaysIsKilled) {
  ChildOptions options;
  options.grace = absl::Milliseconds(50);
  auto channel = Spawn("stubborn", options);
  const pid_t pid = PidOf(Plugin::Stub(channel));
  channel.reset();
  EXPECT_TRUE(AwaitReaped(pid));
}

TEST(ExecTest, KilledChildIsReapedAndItsDescriptorsAreClosed) {
  const Plugin::Stub warm_up(Spawn("serve"));
  ASSERT_TRUE(Echo(warm_up, 1).ok());
  const auto count = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = count();
  pid_t pid = 0;
  {
    const Plugin::Stub stub(Spawn("serve"));
    pid = PidOf(stub);
    const Process process(pid);
    kill(pid, SIGKILL);
    EXPECT_TRUE(process.AwaitEnd());
  }
  EXPECT_TRUE(AwaitReaped(pid));
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (count() != before && std::chrono::steady_clock::now() < limit) poll(nullptr, 0, 1);
  EXPECT_EQ(count(), before);
}

TEST(ExecTest, WhereChildrenAreNotWaitedFor) {
  auto* const before = signal(SIGCHLD, SIG_IGN);
  {
    const Plugin::Stub stub(Spawn("serve"));
    const pid_t pid = PidOf(stub);
    EXPECT_FALSE(End(stub, 1, 0).ok());
    EXPECT_TRUE(AwaitReaped(pid));
    EXPECT_TRUE(Echo(stub, 1).ok());
  }
  signal(SIGCHLD, before);
}

}  // namespace
}  // namespace exec_test

int main(int argc, char** argv) {
  if (argc >= 3 && std::strcmp(argv[1], "--role") == 0)
    return exec_test::RunRole(argv[2], argc > 3 ? argv[3] : "");
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
