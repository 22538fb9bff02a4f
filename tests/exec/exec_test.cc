// exec:, fd: and SpawnChild: a parent, its child, and what becomes of them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

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

constexpr auto kPatience = std::chrono::seconds(40);

absl::Status Echo(const Plugin::Stub& stub, int64_t number, size_t size = 0) {
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

// A process, known whatever becomes of its pid; to be made before that one may be reaped.
class Process {
 public:
  explicit Process(pid_t pid) : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}
  bool AwaitEnd() const {
    pollfd item{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return poll(&item, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1;
  }

 private:
  const UniqueFd fd_;
};

// Nobody waits for it any more: it is no zombie.
bool AwaitReaped(pid_t pid) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (kill(pid, 0) == 0) {
    if (std::chrono::steady_clock::now() > limit) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

std::shared_ptr<sidecall::Channel> Spawn(const std::string& role, const ChildOptions& options = {}) {
  return SpawnChild(Program(), RoleArguments(role), options);
}

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

// -- Either side may be the server

class ParentService final : public Plugin::Service {
 public:
  absl::Status Echo(sidecall::ServerContext* context, const Message* request, Message* reply) override {
    const std::lock_guard lock(mutex_);
    callers_.push_back(static_cast<pid_t>(request->number()));
    EXPECT_EQ(context->peer().pid, request->number());
    EXPECT_EQ(context->peer().uid, geteuid());
    changed_.notify_all();
    *reply = *request;
    reply->set_number(0);
    return absl::OkStatus();
  }
  pid_t AwaitCaller(size_t which) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return callers_.size() > which; });
    return callers_.size() > which ? callers_[which] : -1;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<pid_t> callers_;
};

TEST(ExecTest, ParentServesAndStartsItsClientAnew) {
  ParentService service;
  auto server = sidecall::ServerBuilder()
                    .AddAddress(ChildAddress(Program(), RoleArguments("call")))
                    .RegisterService(&service)
                    .BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  const pid_t first = service.AwaitCaller(0);
  ASSERT_GT(first, 0);
  ASSERT_EQ(kill(first, SIGKILL), 0);
  const pid_t second = service.AwaitCaller(1);
  ASSERT_GT(second, 0);
  EXPECT_NE(second, first);
  EXPECT_TRUE(AwaitReaped(first));
  server->reset();
  EXPECT_TRUE(AwaitReaped(second)) << "its parent hung up";
}

TEST(ExecTest, ServersClientThatCannotBeStarted) {
  ParentService service;
  const auto server = sidecall::ServerBuilder()
                          .AddAddress(ChildAddress("/nonexistent/plugin"))
                          .RegisterService(&service)
                          .BuildAndStart();
  EXPECT_TRUE(absl::IsInvalidArgument(server.status())) << server.status();
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

// What a server says of its client while this lives.
class Sayings {
 public:
  Sayings() {
    sidecall::SetLogSink([this](sidecall::LogLevel, std::string_view message) {
      const std::lock_guard lock(mutex_);
      said_ += std::string(message) + "\n";
      changed_.notify_all();
    });
  }
  ~Sayings() { sidecall::SetLogSink(nullptr); }
  Sayings(const Sayings&) = delete;
  Sayings& operator=(const Sayings&) = delete;
  // All of it, once `words` are in it, or after kPatience.
  std::string Await(const std::string& words) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return said_.find(words) != std::string::npos; });
    return said_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string said_;
};

TEST(ExecTest, ServersClientThatDoesNotGreetIsToldOf) {
  ParentService service;
  Sayings sayings;
  auto server = sidecall::ServerBuilder()
                    .AddAddress(ChildAddress(Program(), RoleArguments("silent")))
                    .RegisterService(&service)
                    .BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string said = sayings.Await("does not greet");
  EXPECT_THAT(said, HasSubstr("does not greet"));
  const size_t pid = said.find("(pid ");
  ASSERT_NE(pid, std::string::npos) << said;
  server->reset();
  EXPECT_TRUE(AwaitReaped(std::atoi(said.c_str() + pid + 5)));
}

TEST(ExecTest, ServersClientThatDiesWithoutClosingItsPipesIsStartedAnew) {
  ParentService service;
  const std::string file = testing::TempDir() + "/orphan-" + std::to_string(getpid());
  auto server = sidecall::ServerBuilder()
                    .AddAddress(ChildAddress(Program(), RoleArguments("orphan", file)))
                    .RegisterService(&service)
                    .BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT(service.AwaitCaller(0), 0);
  std::filesystem::remove(file);
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

// `host` is a process that has a child: starts it, and gives that child's pid.
pid_t StartHost(const std::string& dies_with_parent, pid_t& host) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  const std::string program = Program();
  host = fork();
  if (host == 0) {
    dup2(in.get(), STDOUT_FILENO);
    execl(program.c_str(), program.c_str(), "--role", "host", dies_with_parent.c_str(), nullptr);
    _exit(127);
  }
  in = UniqueFd();
  std::array<char, 32> said{};
  const ssize_t size = read(out.get(), said.data(), said.size() - 1);
  return size > 0 ? std::atoi(said.data()) : -1;
}

TEST(ExecTest, KilledParentTakesItsChildAlong) {
  for (const char* dies : {"yes", "no"}) {
    pid_t host = 0;
    const pid_t child = StartHost(dies, host);
    ASSERT_GT(child, 0);
    const Process process(child);
    EXPECT_EQ(kill(host, SIGKILL), 0);
    EXPECT_TRUE(process.AwaitEnd()) << "dies_with_parent " << dies;
    waitpid(host, nullptr, 0);
  }
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

// -- stderr

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

// -- fd:

TEST(FdTest, PipesThatAreThere) {
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  ASSERT_EQ(pipe2(there.data(), 0), 0);
  ASSERT_EQ(pipe2(back.data(), 0), 0);
  const auto address = [](int in, int out) { return "fd:" + std::to_string(in) + "," + std::to_string(out); };
  PluginImpl plugin;
  auto server = sidecall::ServerBuilder()
                    .AddAddress(address(there[0], back[1]))
                    .RegisterService(&plugin)
                    .BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string clients = address(back[0], there[1]);
  {
    const Plugin::Stub stub(sidecall::CreateChannel(clients));
    EXPECT_TRUE(Echo(stub, 1).ok());
    EXPECT_TRUE(Echo(stub, 2, 1 << 20).ok());
    EXPECT_EQ(Tell(stub, "peer"), "unknown") << "of pipes nobody knows who has the other end";
  }
  EXPECT_FALSE(Echo(Plugin::Stub(sidecall::CreateChannel(clients)), 3).ok()) << "pipes connect once";
}

}  // namespace
}  // namespace exec_test

int main(int argc, char** argv) {
  if (argc >= 3 && std::strcmp(argv[1], "--role") == 0)
    return exec_test::RunRole(argv[2], argc > 3 ? argv[3] : "");
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
