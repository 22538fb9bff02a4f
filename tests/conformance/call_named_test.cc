// Channels to services by name: which server, over which transport, and what is said where there is none.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "call_gates.h"
#include "call_named_fixture.h"
#include "call_test_service.h"
#include "testing_other.sidecall.h"

namespace conformance {
namespace {

using sidecall::ChannelState;

TEST_F(NamedTest, IsFound) {
  auto server = StartServer();
  const auto channel = sidecall::CreateChannel(kTarget);
  EXPECT_EQ(channel->GetState(false), ChannelState::kIdle);
  const TestService::Stub stub(channel);
  EXPECT_TRUE(Echoes(stub, 1));
  EXPECT_TRUE(EchoesPayload(stub, 100'000, 2));
  EXPECT_EQ(channel->GetState(false), ChannelState::kReady);
}

TEST_F(NamedTest, EachKindOfCall) {
  auto server = StartServer();
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  PatientContext contexts[2];
  auto stream = stub.BidirectionalStream(&contexts[0]);
  EchoMessage message;
  message.set_number(3);
  ASSERT_TRUE(stream->Write(message));
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.number(), 3);
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(stream->Finish().ok());
  EchoMessage reply;
  sidecall::PendingCall pending = stub.async().Echo(&contexts[1], message, &reply);
  EXPECT_TRUE(pending.Finish().ok());
  EXPECT_EQ(reply.number(), 3);
}

TEST_F(NamedTest, NobodyServesIt) {
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  PatientContext contexts[3];
  EchoMessage reply;
  const absl::Status status = stub.Echo(&contexts[0], EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(status));
  EXPECT_TRUE(
      Says(status, "no live server for conformance.TestService: none is registered in " + directory()));
  EXPECT_TRUE(HasCode(stub.BidirectionalStream(&contexts[1])->Finish(), absl::StatusCode::kUnavailable));
  EXPECT_TRUE(HasCode(stub.async().Echo(&contexts[2], EchoMessage(), &reply).Finish(),
                      absl::StatusCode::kUnavailable));
}

TEST_F(NamedTest, KilledServerIsSaidToBeStale) {
  auto server = StartServer();
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  EXPECT_TRUE(Echoes(stub, 1));
  const pid_t pid = server->pid();
  server->Kill();
  server.reset();
  PatientContext context;
  EchoMessage reply;
  const TestService::Stub other(sidecall::CreateChannel(kTarget));
  const absl::Status status = other.Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(status));
  EXPECT_TRUE(Says(status, "its registration is stale (pid " + std::to_string(pid) + " is gone)"));
  EXPECT_TRUE(Says(status, "sidecall clean"));
}

TEST_F(NamedTest, WaitsForAServerThatComes) {
  const auto channel = sidecall::CreateChannel(kTarget);
  absl::Status status;
  std::thread caller([&] {
    PatientContext context;
    context.set_wait_for_ready(true);
    EchoMessage reply;
    status = TestService::Stub(channel).Echo(&context, EchoMessage(), &reply);
  });
  auto server = StartServer();
  caller.join();
  EXPECT_TRUE(status.ok()) << status;

  const auto idle = sidecall::CreateChannel(kTarget);
  EXPECT_TRUE(idle->WaitForConnected(absl::Now() + absl::FromChrono(kPatience)));
  EXPECT_EQ(idle->GetState(false), ChannelState::kReady);
}

// A call that waits is not bound to the server that was there when it began.
TEST_F(NamedTest, WaitsForTheNextServerWhereOneIsKilled) {
  auto server = StartServer();
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  for (int round = 0; round < Scaled(10); round++) {
    EXPECT_TRUE(Echoes(stub, round));
    server->Kill();
    absl::Status status;
    std::thread caller([&] {
      EchoMessage reply;
      do {  // The first may still have been sent to the one that dies.
        PatientContext context;
        context.set_wait_for_ready(true);
        status = stub.Echo(&context, EchoMessage(), &reply);
      } while (absl::IsUnavailable(status) && !sidecall::IsNotSent(status));
    });
    server = StartServer();
    caller.join();
    EXPECT_TRUE(status.ok()) << status;
  }
}

// They sleep, and do not wake each other.
TEST_F(NamedTest, CallsThatWaitAreNotBusy) {
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; caller++) {
    callers.emplace_back([&] {
      sidecall::ClientContext context;
      context.set_wait_for_ready(true);
      context.set_timeout(absl::Milliseconds(300));
      EchoMessage reply;
      EXPECT_TRUE(HasCode(stub.Echo(&context, EchoMessage(), &reply), absl::StatusCode::kDeadlineExceeded));
    });
  }
  for (std::thread& caller : callers) caller.join();
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_nvcsw - before.ru_nvcsw, 300)
      << "some ten looks a call, and not as many as there is time for";
}

TEST_F(NamedTest, WaitEndsByDeadlineAndCancel) {
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  sidecall::ClientContext late;
  late.set_wait_for_ready(true);
  late.set_timeout(absl::Milliseconds(20));
  EchoMessage reply;
  const absl::Status status = stub.Echo(&late, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Says(status, "none is registered"));
  PatientContext cancelled;
  cancelled.set_wait_for_ready(true);
  std::thread canceller([&] { cancelled.TryCancel(); });
  EXPECT_TRUE(HasCode(stub.Echo(&cancelled, EchoMessage(), &reply), absl::StatusCode::kCancelled));
  canceller.join();
}

TEST_F(NamedTest, ConnectsInTheBackground) {
  const auto channel = sidecall::CreateChannel(kTarget);
  EXPECT_EQ(channel->GetState(true), ChannelState::kIdle);
  auto server = StartServer();
  const absl::Time patience = absl::Now() + absl::FromChrono(kPatience);
  for (ChannelState state = channel->GetState(false); state != ChannelState::kReady;
       state = channel->GetState(false)) {
    ASSERT_TRUE(channel->WaitForStateChange(state, patience));
  }
}

// -- Which transport

std::string OnlyConnection(const TestService::Stub& stub, sidecall::Channel& channel) {
  EXPECT_TRUE(Echoes(stub, 1));
  const std::vector<std::string> lines = channel.Connections();
  return lines.size() == 1 ? lines[0] : std::to_string(lines.size()) + " connections";
}

std::string Connection(const sidecall::ChannelOptions& options = {}) {
  const auto channel = sidecall::CreateChannel("sidecall:conformance.TestService", options);
  return OnlyConnection(TestService::Stub(channel), *channel);
}

bool IsOver(const std::string& connection, const std::string& scheme) {
  return connection.starts_with(scheme + ":");
}

TEST_F(NamedTest, TransportByDefault) {
  auto server = StartServer();
  const std::string connection = Connection();
  EXPECT_TRUE(IsOver(connection, "shm")) << connection;
  EXPECT_NE(connection.find("the first of 2"), std::string::npos) << connection;
}

TEST_F(NamedTest, TransportByTheServersEnvironment) {
  setenv("SIDECALL_SERVE", "unix", 1);
  auto server = StartServer();
  EXPECT_TRUE(IsOver(Connection(), "unix"));
}

TEST_F(NamedTest, TransportByTheClient) {
  auto server = StartServer();
  sidecall::ChannelOptions options;
  options.transports = {"unix", "shm"};
  EXPECT_TRUE(IsOver(Connection(options), "unix"));
  setenv("SIDECALL_TRANSPORTS", "shm", 1);
  EXPECT_TRUE(IsOver(Connection(options), "shm")) << "the environment has the last word";
}

TEST_F(NamedTest, WhatIsNoTransport) {
  const auto server = StartServer();
  setenv("SIDECALL_TRANSPORTS", "bogus", 1);
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  PatientContext context;
  context.set_wait_for_ready(true);  // In vain: only who set it can mend it.
  EchoMessage reply;
  const absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, "SIDECALL_TRANSPORTS: 'bogus': no transport is called"));
  setenv("SIDECALL_SERVE", "shm,bogus", 1);
  Gates gates;
  TestServiceImpl service("", gates);
  const absl::Status started = sidecall::ServerBuilder().RegisterService(&service).BuildAndStart().status();
  EXPECT_TRUE(HasCode(started, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(started, "SIDECALL_SERVE: 'bogus'"));
}

TEST_F(NamedTest, NoTransportInCommon) {
  auto server = StartServer();
  sidecall::ChannelOptions options;
  options.transports = {"unix-abstract"};
  const TestService::Stub stub(sidecall::CreateChannel(kTarget, options));
  PatientContext context;
  EchoMessage reply;
  const absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(Says(status, "this client takes unix-abstract"));
  EXPECT_TRUE(Says(status, "Add one of the server's"));
}

TEST_F(NamedTest, TheNextTransportIsTriedAndSaidSo) {
  auto server = StartServer();
  // Something else is in its place, where the server cannot listen anew.
  const std::string file = directory() + "/no_socket";
  std::ofstream(file).flush();
  std::filesystem::rename(file, ShmSocket());
  const std::string connection = Connection();
  EXPECT_TRUE(IsOver(connection, "unix")) << connection;
  EXPECT_NE(connection.find(", since shm:"), std::string::npos) << connection;
}

// -- What the .proto says

constexpr char kOptionsTarget[] = "sidecall:conformance.other.OptionsService";

TEST_F(NamedTest, TransportByTheProto) {
  auto server = StartServer();
  const auto channel = sidecall::CreateChannel(kOptionsTarget);
  ASSERT_TRUE(channel->WaitForConnected(absl::Now() + absl::FromChrono(kPatience)));
  ASSERT_EQ(channel->Connections().size(), 1u);
  EXPECT_TRUE(IsOver(channel->Connections()[0], "unix-abstract")) << "the first that it names";
}

// Over which channel a client of that service is connected that takes these.
std::string OptionsConnection(const std::vector<std::string>& transports) {
  sidecall::ChannelOptions options;
  options.transports = transports;
  const auto channel = sidecall::CreateChannel(kOptionsTarget, options);
  EXPECT_TRUE(channel->WaitForConnected(absl::Now() + absl::FromChrono(kPatience)));
  return channel->Connections().empty() ? "" : channel->Connections()[0];
}

TEST_F(NamedTest, OverPipesAndMessageQueues) {
  {
    auto server = StartServer();
    auto second = StartServer();
    for (const std::string scheme : {"pipe", "mqueue"}) {
      sidecall::ChannelOptions options;
      options.transports = {scheme};
      const auto channel = sidecall::CreateChannel(kOptionsTarget, options);
      const other::OptionsService::Stub stub(channel);
      PatientContext context;
      WhoReply nobody;
      WhoReply reply;
      const absl::Status status = stub.SurviveOrDie(&context, nobody, &reply);
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(reply.pid(), second->pid()) << "the newest";
      EXPECT_TRUE(IsOver(channel->Connections().at(0), scheme)) << channel->Connections()[0];
    }
    ShutDown(*second);
    ShutDown(*server);
  }
  ExpectNothingLeft();
}

TEST_F(NamedTest, AQueueTooManyTriesTheNextTransport) {
  auto server = StartServer();
  rlimit before{};
  getrlimit(RLIMIT_MSGQUEUE, &before);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_MSGQUEUE, &none);
  const std::string connection = OptionsConnection({"mqueue", "unix"});
  setrlimit(RLIMIT_MSGQUEUE, &before);
  EXPECT_TRUE(IsOver(connection, "unix")) << connection;
  EXPECT_NE(connection.find(", since mqueue:"), std::string::npos) << connection;
  EXPECT_TRUE(IsOver(OptionsConnection({"mqueue", "unix"}), "mqueue")) << "when there is room";
}

TEST_F(NamedTest, AFifoThatIsRemovedIsMadeAnew) {
  auto server = StartServer();
  EXPECT_TRUE(IsOver(OptionsConnection({"pipe"}), "pipe"));
  for (const auto& entry : std::filesystem::directory_iterator(directory() + "/sockets")) {
    if (entry.is_fifo()) std::filesystem::remove(entry.path());
  }
  EXPECT_TRUE(IsOver(OptionsConnection({"pipe"}), "pipe"));
}

TEST_F(NamedTest, TheServersEnvironmentNarrowsTheProto) {
  setenv("SIDECALL_SERVE", "shm,unix", 1);
  auto server = StartServer();
  const auto channel = sidecall::CreateChannel(kOptionsTarget);
  ASSERT_TRUE(channel->WaitForConnected(absl::Now() + absl::FromChrono(kPatience)));
  EXPECT_TRUE(IsOver(channel->Connections().at(0), "unix")) << "what both name";
  EXPECT_TRUE(IsOver(Connection(), "shm")) << "of a service that names none";
}

TEST_F(NamedTest, IdempotentCallsGoOnToAnotherServer) {
  auto old = StartServer();
  for (const bool idempotent : {true, false}) {
    auto newest = StartServer();
    const other::OptionsService::Stub stub(sidecall::CreateChannel(kOptionsTarget));
    PatientContext context;
    WhoReply request;
    request.set_pid(newest->pid());
    WhoReply reply;
    const absl::Status status = idempotent ? stub.SurviveOrDie(&context, request, &reply)
                                           : stub.SurviveOrDieOnce(&context, request, &reply);
    if (idempotent) {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(reply.pid(), old->pid());
    } else {
      EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
      EXPECT_FALSE(sidecall::IsNotSent(status));
    }
    newest->Kill();  // It is dead: so says this, to who waits for it.
  }
}

TEST_F(NamedTest, DefaultTimeoutOfTheProto) {
  auto server = StartServer();
  const other::OptionsService::Stub stub(sidecall::CreateChannel(kOptionsTarget));
  EXPECT_TRUE(HasCode(stub.WaitForEver(EmptyMessage()).status(), absl::StatusCode::kDeadlineExceeded));
  sidecall::ClientContext own;
  own.set_timeout(absl::Milliseconds(1));
  EmptyMessage reply;
  EXPECT_TRUE(HasCode(stub.WaitForEver(&own, EmptyMessage(), &reply), absl::StatusCode::kDeadlineExceeded));
}

// -- Which server

// A server in this process, with options of its own.
class LocalNamedServer {
 public:
  explicit LocalNamedServer(const sidecall::PublishOptions& options) : service_("", gates_) {
    server_ = sidecall::ServerBuilder().RegisterService(&service_).Publish(options).BuildAndStart();
  }
  absl::Status status() const { return server_.status(); }

 private:
  Gates gates_;
  TestServiceImpl service_;
  absl::StatusOr<std::unique_ptr<sidecall::Server>> server_;
};

TEST_F(NamedTest, InstanceAndLabels) {
  sidecall::PublishOptions options;
  options.instance = "left";
  options.labels = {{"zone", "a"}};
  const LocalNamedServer left(options);
  ASSERT_TRUE(left.status().ok()) << left.status();
  EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel(std::string(kTarget) + "@left")), 1));
  EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel(std::string(kTarget) + "?zone=a")), 1));
  const TestService::Stub right(sidecall::CreateChannel(std::string(kTarget) + "@right"));
  PatientContext context;
  EchoMessage reply;
  const absl::Status status = right.Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(Says(status, "has another instance name"));
}

TEST_F(NamedTest, ExclusiveServer) {
  sidecall::PublishOptions exclusive;
  exclusive.exclusive = true;
  const LocalNamedServer first(exclusive);
  ASSERT_TRUE(first.status().ok()) << first.status();
  const LocalNamedServer second({});
  EXPECT_TRUE(HasCode(second.status(), absl::StatusCode::kAlreadyExists));
  EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel(kTarget)), 1));
}

TEST_F(NamedTest, ServersThatCannotBePublished) {
  sidecall::PublishOptions others;
  others.transports = {"unix-abstract"};
  const LocalNamedServer nowhere(others);
  EXPECT_TRUE(HasCode(nowhere.status(), absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(Says(nowhere.status(), "nothing is left"));
  ASSERT_EQ(chmod(directory().c_str(), 0777), 0);
  const LocalNamedServer open({});
  EXPECT_TRUE(HasCode(open.status(), absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(Says(open.status(), "chmod go-w"));
  sidecall::PublishOptions unnamed;
  unnamed.instance = "a?b";
  EXPECT_TRUE(HasCode(LocalNamedServer(unnamed).status(), absl::StatusCode::kInvalidArgument));
  Gates gates;
  TestServiceImpl service("", gates);
  const auto hidden = sidecall::ServerBuilder()
                          .AddAddress("inproc:hidden")
                          .Publish()
                          .RegisterService(&service)
                          .BuildAndStart();
  EXPECT_TRUE(HasCode(hidden.status(), absl::StatusCode::kFailedPrecondition)) << "the directory comes first";
}

TEST_F(NamedTest, PublishedAtAnAddressThatIsGiven) {
  Gates gates;
  TestServiceImpl service("", gates);
  const std::string address = "unix:" + directory() + "/given";
  auto server =
      sidecall::ServerBuilder().AddAddress(address).Publish().RegisterService(&service).BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(Connection(), address);
}

TEST_F(NamedTest, BalancersSpreadCalls) {
  auto first = StartServer();
  auto second = StartServer();
  for (auto* factory : {&sidecall::RoundRobin, &sidecall::LeastLoaded, &sidecall::Weighted}) {
    sidecall::ChannelOptions options;
    options.balancer = *factory;
    const TestService::Stub stub(sidecall::CreateChannel(kTarget, options));
    std::map<pid_t, int> calls;
    for (int call = 0; call < 20; call++) calls[WhoServes(stub).value_or(0)]++;
    EXPECT_EQ(calls[first->pid()], 10);
    EXPECT_EQ(calls[second->pid()], 10);
  }
  std::map<pid_t, int> calls;
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  for (int call = 0; call < 20; call++) calls[WhoServes(stub).value_or(0)]++;
  EXPECT_EQ(calls.size(), 1u) << "without a balancer, one takes all";
}

// One's own.
TEST_F(NamedTest, BalancerOfTheUsers) {
  class Oldest final : public sidecall::Balancer {
    size_t Pick(std::span<const sidecall::BalancedServer> servers) override { return servers.size() - 1; }
  };
  auto first = StartServer();
  auto second = StartServer();
  sidecall::ChannelOptions options;
  options.balancer = [] { return std::make_unique<Oldest>(); };
  const TestService::Stub stub(sidecall::CreateChannel(kTarget, options));
  for (int call = 0; call < 5; call++) EXPECT_EQ(WhoServes(stub).value_or(0), first->pid());
}

// Row 56: calls go on, and new clients find the server again.
TEST_F(NamedTest, FilesRemovedUnderALiveServer) {
  auto server = StartServer();
  const std::string socket = ShmSocket();
  const TestService::Stub old(sidecall::CreateChannel("shm:" + socket));
  EXPECT_TRUE(Echoes(old, 1));
  for (const std::string& removed :
       {socket, directory() + "/sockets", directory() + "/instances", directory(), socket}) {
    // It may come back while it is being removed.
    std::error_code ignored;
    std::filesystem::remove_all(removed, ignored);
    EXPECT_TRUE(Echoes(old, 2)) << "of a connection that was there, after " << removed << " was removed";
    const absl::Time patience = absl::Now() + absl::FromChrono(kPatience);
    std::string connection;
    while (!IsOver(connection, "shm") && absl::Now() < patience) {
      const auto channel = sidecall::CreateChannel(kTarget);
      PatientContext context;
      EchoMessage reply;
      if (!TestService::Stub(channel).Echo(&context, EchoMessage(), &reply).ok()) continue;
      // None where its names were away just then.
      for (const std::string& line : channel->Connections()) connection = line;
    }
    EXPECT_TRUE(IsOver(connection, "shm")) << "'" << connection << "', after " << removed << " was removed";
  }
  server.reset();  // Its end is a clean one.
  ExpectNothingLeft();
}

TEST_F(NamedTest, NothingIsLeftBehind) {
  StartServer().reset();  // Its end is a clean one.
  ExpectNothingLeft();
}

}  // namespace
}  // namespace conformance
