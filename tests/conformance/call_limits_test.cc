// How many calls at once: per connection, and per server.
#include <gtest/gtest.h>

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
