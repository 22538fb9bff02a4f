// How many calls at once: per connection, and per server.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_fixture.h"

namespace conformance {
namespace {

class CallLimitsTest : public CallTest {};
SIDECALL_OVER_ALL_TRANSPORTS(CallLimitsTest);

TEST_P(CallLimitsTest, CallsPerConnection) {
  sidecall::ServerOptions few;
  few.max_calls_per_connection = 3;
  StartServer(few);
  const TestService::Stub stub = NewStub();
  std::vector<std::thread> sleepers;
  for (int call = 0; call < 3; call++) {
    sleepers.emplace_back([&] { EXPECT_TRUE(CallSleep(stub, "three").ok()); });
  }
  EXPECT_TRUE(server().AwaitArrivals("three", 3));
  PatientContext context;
  EchoMessage reply;
  const absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "3 calls"));
  EXPECT_TRUE(sidecall::IsNotSent(status));
  EXPECT_TRUE(Echoes(NewStub(), 1)) << "another connection has calls of its own";
  server().OpenGate("three");
  for (std::thread& sleeper : sleepers) sleeper.join();
  EXPECT_TRUE(Echoes(stub, 1));
}

class ServerLimitsTest : public CallLimitsTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ServerLimitsTest, SharesAServer);

TEST_P(ServerLimitsTest, CallsOfTheWholeServer) {
  sidecall::ServerOptions three;
  three.max_calls = 3;
  StartServer(three);
  const TestService::Stub first = NewStub();
  const TestService::Stub second = NewStub();
  std::vector<std::thread> sleepers;
  for (int call = 0; call < 3; call++) {
    sleepers.emplace_back([&, call] { EXPECT_TRUE(CallSleep(call == 0 ? first : second, "three").ok()); });
  }
  EXPECT_TRUE(server().AwaitArrivals("three", 3));
  for (const TestService::Stub* stub : {&first, &second}) {
    PatientContext context;
    EchoMessage reply;
    const absl::Status status = stub->Echo(&context, EchoMessage(), &reply);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(Says(status, "max_calls"));
    EXPECT_TRUE(sidecall::IsNotSent(status));
  }
  server().OpenGate("three");
  for (std::thread& sleeper : sleepers) sleeper.join();
  for (int call = 0; call < 10; call++) EXPECT_TRUE(Echoes(call % 2 == 0 ? first : second, call));
}

// What handlers do not read is bounded for all streams of a connection together, too.
TEST_P(CallLimitsTest, UnreadBytesOfAConnection) {
  sidecall::ServerOptions little;
  little.max_receive_message_bytes = 200'000;
  little.max_connection_bytes = 1'000'000;
  StartServer(little);
  const TestService::Stub stub = NewStub();
  struct Stream {
    PatientContext context;
    StreamSummary summary;
    std::unique_ptr<sidecall::ClientWriter<EchoMessage>> writer;
  };
  std::vector<std::unique_ptr<Stream>> streams;
  EchoMessage message;
  message.set_payload(std::string(60'000, 'x'));
  for (int i = 0; i < 12; i++) {
    streams.push_back(std::make_unique<Stream>());
    Stream& stream = *streams.back();
    stream.context.AddMetadata("gate", "gate");
    stream.writer = stub.ClientStream(&stream.context, &stream.summary);
    for (int j = 0; j < 3 && stream.writer->Write(message); j++) {
    }
  }
  EXPECT_TRUE(Echoes(stub, 1)) << "all of it has come";
  server().OpenGate("gate");
  int finished = 0;
  for (const auto& stream : streams) {
    const absl::Status status = stream->writer->Finish();
    finished += status.ok() ? 1 : 0;
    if (status.ok()) continue;
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(Says(status, "max_connection_bytes"));
  }
  EXPECT_GE(finished, 5) << "1,000,000 bytes are five streams of 180,000";
  EXPECT_LT(finished, 12);
  EXPECT_TRUE(Echoes(stub, 2));
}

// A call that the client has given up counts until its handler has ended.
TEST_P(CallLimitsTest, GivenUpCallsCount) {
  sidecall::ServerOptions one;
  one.max_calls_per_connection = 1;
  StartServer(one);
  const TestService::Stub stub = NewStub();
  SleepRequest request;
  request.set_gate("never-opened");
  sidecall::ClientContext context;
  std::thread canceller([&] {
    EXPECT_TRUE(server().AwaitArrivals("never-opened", 1));
    context.TryCancel();
  });
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.Sleep(&context, request, &reply), absl::StatusCode::kCancelled));
  canceller.join();
  EXPECT_TRUE(server().AwaitCancels("never-opened", 1));
  // Its index is free again as soon as the client has read the late answer, which only a call does.
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (!Echoes(stub, 1)) ASSERT_LT(std::chrono::steady_clock::now(), limit);
}

TEST_P(CallLimitsTest, MoreSleepersThanHandlerThreads) {
  sidecall::ServerOptions two;
  two.max_handler_threads = 2;
  StartServer(two);
  const TestService::Stub stub = NewStub();
  std::vector<std::thread> callers;
  for (int call = 0; call < 2; call++) {
    callers.emplace_back([&] { EXPECT_TRUE(CallSleep(stub, "two").ok()); });
  }
  EXPECT_TRUE(server().AwaitArrivals("two", 2));
  for (int call = 0; call < 8; call++) {
    callers.emplace_back([&, call] { EXPECT_TRUE(Echoes(stub, call)); });
  }
  server().OpenGate("two");
  for (std::thread& caller : callers) caller.join();
}

// With every handler thread taken, and none that waits for a message, one thread more reads: a cancel is
// heard, and the calls that were read meanwhile run when there is a thread.
TEST_P(CallLimitsTest, CancelWithAllHandlerThreadsTaken) {
  sidecall::ServerOptions one;
  one.max_handler_threads = 1;
  StartServer(one);
  const TestService::Stub stub = NewStub();
  PatientContext context;
  std::thread sleeper([&] {
    SleepRequest request;
    request.set_gate("one");
    EchoMessage reply;
    EXPECT_TRUE(HasCode(stub.Sleep(&context, request, &reply), absl::StatusCode::kCancelled));
  });
  EXPECT_TRUE(server().AwaitArrivals("one", 1));
  std::vector<std::thread> callers;
  for (int call = 0; call < 8; call++) {
    callers.emplace_back([&, call] { EXPECT_TRUE(Echoes(stub, call)); });
  }
  context.TryCancel();
  EXPECT_TRUE(server().AwaitCancels("one", 1));
  sleeper.join();
  for (std::thread& caller : callers) caller.join();
}

// Even with every handler thread taken, a forced shutdown reaches the handlers.
TEST_P(CallLimitsTest, ShutdownWithAllHandlerThreadsTaken) {
  sidecall::ServerOptions two;
  two.max_handler_threads = 2;
  StartServer(two);
  const TestService::Stub stub = NewStub();
  std::vector<std::thread> callers;
  for (int call = 0; call < 2; call++)
    callers.emplace_back([&] { EXPECT_FALSE(CallSleep(stub, "both").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("both", 2));
  server().BeginShutdown(absl::ZeroDuration());
  EXPECT_TRUE(server().AwaitShutdown());
  EXPECT_TRUE(server().AwaitCancels("both", 2));
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace conformance
