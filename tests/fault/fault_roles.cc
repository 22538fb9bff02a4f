#include "fault_roles.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <limits>
#include <memory>
#include <sstream>
#include <vector>

#include "as_nobody.h"
#include "fault_fixture.h"
#include "frame_peer.h"
#include "handshake_steps.h"
#include "naming_calls.h"
#include "process_figures.h"
#include "transport/address.h"
#include "transport/connection_names.h"
#include "transport/unique_fd.h"
#include "transports/mqueue/message_queue.h"
#include "transports/mqueue/queue_names.h"
#include "transports/pipe/fifo_names.h"

namespace fault {
namespace {

using conformance::LineSocket;

// What `ls` finds in /proc/self/fd.
std::string InheritedDescriptors() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string program = "ls";
  std::string directory = "/proc/self/fd";
  std::array<char*, 3> arguments = {program.data(), directory.data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, "ls", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string said = error != 0 ? "no ls" : "";
  char bytes[512];
  for (ssize_t size = 0; (size = read(ends[0], bytes, sizeof bytes)) > 0;) said.append(bytes, bytes + size);
  close(ends[0]);
  if (error == 0) waitpid(pid, nullptr, 0);
  for (char& byte : said) byte = byte == '\n' ? ' ' : byte;
  return said;
}

std::string& InheritedBefore() {
  static std::string before;
  return before;
}

// A child that has all that this process has, and outlives it, until it is killed, or gives up.
pid_t ForkHeir() {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  alarm(static_cast<unsigned>(2 * kPatience.count()));
  for (;;) pause();
}

int Hog(const std::string& address, LineSocket& test) {
  sidecall::Hello hello = Greeting();
  hello.initial_window = std::numeric_limits<int32_t>::max();
  FramePeer peer(address);
  if (!peer.SayHello(hello)) return 1;
  conformance::StreamRequest request;
  request.set_count(1'000'000);
  request.set_size(1000);
  request.set_name("hog");
  peer.Send(StartFrame(1 << 16, kServerStream, request.SerializeAsString()));
  test.Send("there");
  test.Receive();
  return 0;
}

int Inherit(const std::string& address, const std::string& gate, LineSocket& test) {
  const TestService::Stub stub(sidecall::CreateChannel(address));
  if (!conformance::Echoes(stub, 1)) return 1;
  test.Send(std::to_string(ForkHeir()));
  return conformance::CallSleep(stub, gate).ok() ? 0 : 1;
}

// Whether it is answered or not: its server may be stopped.
absl::Status CallOnce(const std::string& address) {
  sidecall::ChannelOptions options;
  options.connect_timeout = absl::Milliseconds(100);
  const TestService::Stub stub(sidecall::CreateChannel(address, options));
  PatientContext context;
  EchoMessage reply;
  (void)stub.Echo(&context, EchoMessage(), &reply);
  return absl::OkStatus();
}

absl::Status ComeAndGo(const std::string& address) {
  return conformance::ServerUnderTest::Start(conformance::Place::kSameProcess, {address}, {}).status();
}

// Until the kernel refuses to make them larger.
bool UseUpPipePages(std::vector<sidecall::UniqueFd>& pipes) {
  constexpr int kLarge = 1 << 20;
  constexpr size_t kFarTooMany = 400;
  while (pipes.size() < kFarTooMany) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    for (const int end : ends) pipes.emplace_back(end);
    if (fcntl(ends[0], F_SETPIPE_SZ, kLarge) < 0) return errno == EPERM;
  }
  return false;
}

std::string EchoOfOtherSizes(const std::string& address) {
  const auto server = conformance::ServerUnderTest::Start(conformance::Place::kSameProcess, {address}, {});
  if (!server.ok()) return server.status().ToString();
  const TestService::Stub stub(sidecall::CreateChannel(address));
  for (const size_t size : {16, 5000, 100'000, 3'000'000}) {
    const testing::AssertionResult echoes = conformance::EchoesPayload(stub, size, size);
    if (!echoes) return std::string("not echoed: ") + echoes.message();
  }
  return "echoed";
}

std::string EchoThroughSmallPipes(const std::string& address) {
  if (!BecomeNobody()) return "this process cannot be another user";
  std::vector<sidecall::UniqueFd> pipes;
  if (!UseUpPipePages(pipes)) return "there is no limit for pipes (fs.pipe-user-pages-soft)";
  return EchoOfOtherSizes(address);
}

// What this user makes now, another finds in its way.
bool MakeFilesOfConnection(const sidecall::Address& address, const std::string& name) {
  if (address.scheme == "pipe") return mkfifo(sidecall::ToClient(address.rest, name).c_str(), 0600) == 0;
  const auto names = sidecall::QueueNames::Of(address);
  return names.ok() && sidecall::MessageQueue::Create(names->ToClient(name), O_RDWR, 1, 128).ok();
}

// The names that this process's next connection would have, the first first.
std::string EchoBesideSquatter(const std::string& address, LineSocket& test) {
  const std::string last = sidecall::NextConnectionName();
  const size_t number = last.find('-') + 1;
  const std::string next = last.substr(0, number) + std::to_string(std::stoi(last.substr(number)) + 1);
  test.Send(next);
  const auto parsed = sidecall::Address::Parse(address);
  if (!parsed.ok() || !MakeFilesOfConnection(*parsed, next)) return "nothing made in its way";
  if (!BecomeNobody()) return "this process cannot be another user";
  return EchoOfOtherSizes(address);
}

}  // namespace

void LetSignalsInterrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = 0;  // No SA_RESTART.
  sigaction(SIGUSR1, &action, nullptr);
}

void PrepareServer() {
  LetSignalsInterrupt();
  InheritedBefore() = InheritedDescriptors();
}

std::string Obey(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  if (verb == "inherited") {
    const std::string now = InheritedDescriptors();
    return now == InheritedBefore() ? "the same" : InheritedBefore() + " before, " + now + " now";
  }
  if (verb == "fork") return std::to_string(ForkHeir());
  if (verb == "limit-memory") {
    uint64_t more = 0;
    words >> more;
    rlimit limit{};
    limit.rlim_cur = limit.rlim_max = MemoryOf(getpid(), "VmSize") + more;
    return setrlimit(RLIMIT_AS, &limit) == 0 ? "yes" : "no";
  }
  if (verb == "jump") {
    long seconds = 0;
    words >> seconds;
    JumpWallClock(seconds);
    return "yes";
  }
  return "";
}

bool IsFaultRole(const std::string& role) {
  return role == "handshake" || role == "hog" || role == "inherit" || role == "small-pipes" ||
         role == "beside-squatter" || role == "call-until" || role == "serve-until";
}

int RunFaultRole(const std::vector<std::string>& arguments, LineSocket& test) {
  const std::string& role = arguments.at(0);
  if (role == "small-pipes") {
    test.Send(EchoThroughSmallPipes(arguments.at(1)));
    return 0;
  }
  if (role == "beside-squatter") {
    test.Send(EchoBesideSquatter(arguments.at(1), test));
    return 0;
  }
  if (role == "call-until" || role == "serve-until") {
    DieAtNamingCall(std::stoi(arguments.at(2)));
    const absl::Status status = role == "call-until" ? CallOnce(arguments.at(1)) : ComeAndGo(arguments.at(1));
    test.Send(status.ok() ? "lives" : status.ToString());
    return 0;
  }
  if (role == "hog") return Hog(arguments.at(1), test);
  if (role == "inherit") return Inherit(arguments.at(1), arguments.at(2), test);
  return TakeHandshakeStep(arguments.at(1), arguments.at(2), test) ? 0 : 1;
}

}  // namespace fault
