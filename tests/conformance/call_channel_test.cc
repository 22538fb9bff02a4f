// Channels: targets that cannot be, servers that come late, go, and come back.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "call_fixture.h"

namespace conformance {
namespace {

class ChannelTest : public CallTest {};
SIDECALL_OVER_ALL_TRANSPORTS(ChannelTest);

absl::Status CallEcho(const TestService::Stub& stub) {
  PatientContext context;
  EchoMessage reply;
  return stub.Echo(&context, EchoMessage(), &reply);
}

TEST_P(ChannelTest, FailsFastWithoutAServer) {
  const TestService::Stub stub = NewStub();
  for (int call = 0; call < 3; call++) {
    const auto began = std::chrono::steady_clock::now();
    const absl::Status status = CallEcho(stub);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
    EXPECT_TRUE(sidecall::IsNotSent(status));
    EXPECT_TRUE(Says(status, place())) << "the address";
    EXPECT_LT(std::chrono::steady_clock::now() - began, kPatience / 4);
  }
}

TEST_P(ChannelTest, ServerComesLater) {
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(HasCode(CallEcho(stub), absl::StatusCode::kUnavailable));
  StartServer();
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(ChannelTest, ManyThreadsShareTheFirstConnection) {
  StartServer();
  const TestService::Stub stub = NewStub();
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 16; thread++) {
    threads.emplace_back([&, thread] {
      if (Echoes(stub, thread)) done++;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 16);
}

// A channel that had nothing to do while its server restarted looks before it calls.
TEST_P(ChannelTest, RestartWhileIdleCostsNoCall) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < 4; round++) {
    StartServer();
    const auto idle_since = std::chrono::steady_clock::now();
    if (round > 0) {
      // What is waited for is the time itself: how long a connection counts as just used.
      std::this_thread::sleep_until(idle_since + std::chrono::milliseconds(30));
    }
    EXPECT_TRUE(Echoes(stub, round)) << "round " << round;
    StopServer();
  }
}

// Where calls go on, the connection's end may cost the first of them, and no other.
TEST_P(ChannelTest, ReconnectsAfterTheServerRestarts) {
  const TestService::Stub stub = NewStub();
  // A child that ends so soon, time and again, is started after ever longer pauses.
  const int rounds = SharesAServer(GetParam()) ? 4 : 2;
  for (int round = 0; round < rounds; round++) {
    StartServer();
    const absl::Status first = CallEcho(stub);
    EXPECT_TRUE(first.ok() || absl::IsUnavailable(first)) << first;
    for (int call = 0; call < 3; call++) EXPECT_TRUE(Echoes(stub, call));
    StopServer();
    EXPECT_TRUE(HasCode(CallEcho(stub), absl::StatusCode::kUnavailable));
    EXPECT_TRUE(sidecall::IsNotSent(CallEcho(stub)));
  }
}

// A channel that is given up while its server lives, and the other way round.
TEST_P(ChannelTest, OutlivesItsServerUnused) {
  StartServer();
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echoes(stub, 1));
  StopServer();
}

TEST_P(ChannelTest, WaitForReady) {
  const TestService::Stub stub = NewStub();
  absl::Status status;
  std::thread caller([&] {
    PatientContext context;
    context.set_wait_for_ready(true);
    EchoMessage reply;
    status = stub.Echo(&context, EchoMessage(), &reply);
  });
  EXPECT_TRUE(HasCode(CallEcho(stub), absl::StatusCode::kUnavailable)) << "others still fail at once";
  StartServer();
  caller.join();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(ChannelTest, WaitForReadyEndsByDeadlineAndCancel) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext late;
  late.set_wait_for_ready(true);
  late.set_timeout(absl::Milliseconds(20));
  EchoMessage reply;
  const absl::Status status = stub.Echo(&late, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Says(status, place())) << "why the last attempt failed";
  EXPECT_TRUE(sidecall::IsNotSent(status));

  PatientContext cancelled;
  cancelled.set_wait_for_ready(true);
  std::thread canceller([&] { cancelled.TryCancel(); });
  EXPECT_TRUE(HasCode(stub.Echo(&cancelled, EchoMessage(), &reply), absl::StatusCode::kCancelled));
  canceller.join();
}

TEST_P(ChannelTest, States) {
  using sidecall::ChannelState;
  const auto channel = NewChannel();
  EXPECT_EQ(channel->GetState(false), ChannelState::kIdle);
  EXPECT_FALSE(channel->WaitForConnected(absl::Now() + absl::Milliseconds(15)));
  EXPECT_EQ(channel->GetState(false), ChannelState::kTransientFailure);
  std::thread waiter(
      [&] { EXPECT_TRUE(channel->WaitForConnected(absl::Now() + absl::FromChrono(kPatience))); });
  StartServer();
  waiter.join();
  EXPECT_EQ(channel->GetState(false), ChannelState::kReady);
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
  StopServer();
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (channel->GetState(false) == ChannelState::kReady && std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(channel->GetState(false), ChannelState::kIdle) << "found out without a call";
}

TEST_P(ChannelTest, WatchStates) {
  using sidecall::ChannelState;
  const auto channel = NewChannel();
  const absl::Time patience = absl::Now() + absl::FromChrono(kPatience);
  EXPECT_FALSE(channel->WaitForStateChange(ChannelState::kIdle, absl::Now() + absl::Milliseconds(10)));
  EXPECT_TRUE(channel->WaitForStateChange(ChannelState::kReady, patience)) << "it is another already";
  std::thread failing(
      [&] { EXPECT_TRUE(HasCode(CallEcho(TestService::Stub(channel)), absl::StatusCode::kUnavailable)); });
  EXPECT_TRUE(channel->WaitForStateChange(ChannelState::kIdle, patience));
  failing.join();
  EXPECT_EQ(channel->GetState(false), ChannelState::kTransientFailure);
  StartServer();
  std::thread calling([&] { EXPECT_TRUE(Echoes(TestService::Stub(channel), 1)); });
  while (channel->GetState(false) != ChannelState::kReady) {
    ASSERT_TRUE(channel->WaitForStateChange(channel->GetState(false), patience));
  }
  calling.join();
  StopServer();
  EXPECT_TRUE(channel->WaitForStateChange(ChannelState::kReady, patience)) << "though nobody calls";
  EXPECT_EQ(channel->GetState(false), ChannelState::kIdle);
}

TEST_P(ChannelTest, ConnectsInTheBackground) {
  using sidecall::ChannelState;
  const auto channel = NewChannel();
  const auto await = [&](ChannelState wanted) {
    const absl::Time patience = absl::Now() + absl::FromChrono(kPatience);
    for (;;) {
      const ChannelState state = channel->GetState(false);
      if (state == wanted) return true;
      if (!channel->WaitForStateChange(state, patience)) return false;
    }
  };
  EXPECT_EQ(channel->GetState(true), ChannelState::kIdle) << "as it was";
  EXPECT_TRUE(await(ChannelState::kTransientFailure));
  (void)channel->GetState(true);  // It is at it already.
  StartServer();
  EXPECT_TRUE(await(ChannelState::kReady)) << "though nobody calls";
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
  StopServer();
  EXPECT_TRUE(await(ChannelState::kIdle));
  (void)channel->GetState(true);  // Goes with the channel.
}

// A server that goes tells its clients; the call that crosses the message is sent once more, to the next
// server.
TEST_P(ChannelTest, RollingRestartCostsNoCall) {
  StartServer();
  const TestService::Stub stub = NewStub();
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int thread = 0; thread < 3; thread++) {
    callers.emplace_back([&] {
      while (!stop.load()) {
        PatientContext context;
        context.set_wait_for_ready(true);
        EchoMessage reply;
        const absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (int round = 0; round < 3; round++) {
    EXPECT_TRUE(NewChannel()->WaitForConnected(absl::Now() + absl::FromChrono(kPatience)));
    EXPECT_TRUE(Echoes(NewStub(), round));
    server().BeginShutdown(absl::InfiniteDuration());
    EXPECT_TRUE(server().AwaitShutdown());
    StopServer();
    StartServer();
  }
  stop.store(true);
  for (std::thread& caller : callers) caller.join();
}

// -- Without a server of their own
// ---------------------------------------------------------------------------

absl::Status CallTarget(const std::string& target) {
  return CallEcho(TestService::Stub(sidecall::CreateChannel(target)));
}

TEST(LameChannelTest, TargetsThatCannotBe) {
  for (const std::string& target :
       {std::string(), std::string("/no/scheme"), std::string(":rest"), std::string("unix:"),
        std::string("carrier-pigeon:/x"), std::string("unix:?a=b"), std::string("unix:/x?unknown=1"),
        std::string("shm:/x?ring="), std::string("shm:/x?ring=many"), std::string("shm:/x?ring=1"),
        "unix:/tmp/" + std::string(200, 'p'), "shm:/tmp/" + std::string(200, 'p'),
        "unix-abstract:" + std::string(200, 'p')}) {
    const absl::Status status = CallTarget(target);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument)) << "'" << target << "'";
    EXPECT_TRUE(sidecall::IsNotSent(status));
    EXPECT_TRUE(Says(status, target.size() > 107 ? target.substr(target.find(':') + 1) : target))
        << "the target";
  }
}

TEST(LameChannelTest, UnknownSchemeNamesTheKnownOnes) {
  EXPECT_TRUE(Says(CallTarget("carrier-pigeon:/x"), "shm, unix"));
}

TEST(LameChannelTest, SaysSoToEveryCall) {
  const auto channel = sidecall::CreateChannel("nonsense");
  EXPECT_EQ(channel->target(), "nonsense");
  EXPECT_EQ(channel->GetState(true), sidecall::ChannelState::kShutdown);
  EXPECT_FALSE(channel->WaitForConnected(absl::InfiniteFuture()));
  EXPECT_FALSE(channel->WaitForStateChange(sidecall::ChannelState::kShutdown, absl::Now()));
  EXPECT_TRUE(channel->WaitForStateChange(sidecall::ChannelState::kIdle, absl::InfiniteFuture()));
  const TestService::Stub stub(channel);
  for (int call = 0; call < 3; call++)
    EXPECT_TRUE(HasCode(CallEcho(stub), absl::StatusCode::kInvalidArgument));
}

TEST(LameChannelTest, SaysSoToEachKindOfStream) {
  const TestService::Stub stub(sidecall::CreateChannel("nonsense"));
  EchoMessage message;
  StreamSummary summary;
  PatientContext contexts[3];
  const auto writer = stub.ClientStream(&contexts[0], &summary);
  EXPECT_FALSE(writer->Write(message));
  const auto reader = stub.ServerStream(&contexts[1], StreamRequest());
  EXPECT_FALSE(reader->Read(&message));
  const auto stream = stub.BidirectionalStream(&contexts[2]);
  EXPECT_FALSE(stream->Read(&message));
  for (const absl::Status& status : {writer->Finish(), reader->Finish(), stream->Finish()}) {
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
    EXPECT_TRUE(sidecall::IsNotSent(status));
    EXPECT_TRUE(Says(status, "nonsense")) << "the target";
  }
}

}  // namespace
}  // namespace conformance
