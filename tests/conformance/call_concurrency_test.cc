// What handlers may do to each other: nothing. They block, call their own server, and the server serves on.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include "call_fixture.h"

namespace conformance {
namespace {

class ConcurrencyTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }

  static testing::AssertionResult CallsSelf(const TestService::Stub& stub, int depth) {
    PatientContext context;
    CallSelfRequest request;
    request.set_depth(depth);
    EchoMessage reply;
    const absl::Status status = stub.CallSelf(&context, request, &reply);
    if (!status.ok()) return testing::AssertionFailure() << status;
    if (reply.number() != depth)
      return testing::AssertionFailure() << reply.number() << " instead of " << depth;
    return testing::AssertionSuccess();
  }
};
SIDECALL_OVER_ALL_TRANSPORTS(ConcurrencyTest);

class ManyConnectionsTest : public ConcurrencyTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ManyConnectionsTest, HasManyConnections);

// The handler of the first of 64 calls on one connection sleeps until the other 63 have been answered.
TEST_P(ConcurrencyTest, ASleepingHandlerHoldsUpNoOtherCall) {
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echoes(stub, 0));
  std::atomic<bool> slept{false};
  std::thread sleeper([&] {
    EXPECT_TRUE(CallSleep(stub, "first").ok());
    slept = true;
  });
  ASSERT_TRUE(server().AwaitArrivals("first", 1));
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int caller = 1; caller < 64; caller++) {
    callers.emplace_back([&, caller] {
      const auto echoed = Echoes(stub, caller);
      EXPECT_TRUE(echoed);
      if (echoed) answered++;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(answered, 63);
  EXPECT_FALSE(slept);
  server().OpenGate("first");
  sleeper.join();
  EXPECT_TRUE(slept);
}

// All 64 are in flight before any handler can have begun to sleep: the sleeper is among them.
TEST_P(ConcurrencyTest, ASleepingHandlerAmongCallsSentTogether) {
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echoes(stub, 0));
  std::promise<void> start;
  const std::shared_future<void> started = start.get_future().share();
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  std::thread sleeper([&] {
    started.wait();
    EXPECT_TRUE(CallSleep(stub, "among").ok());
    EXPECT_EQ(answered, 63);
  });
  for (int caller = 1; caller < 64; caller++) {
    callers.emplace_back([&, caller] {
      started.wait();
      if (Echoes(stub, caller)) answered++;
    });
  }
  start.set_value();
  for (std::thread& caller : callers) caller.join();
  server().OpenGate("among");
  sleeper.join();
}

TEST_P(ConcurrencyTest, EightBlockedHandlers) {
  const TestService::Stub stub = NewStub();
  std::vector<std::thread> sleepers;
  for (int sleeper = 0; sleeper < 8; sleeper++) {
    sleepers.emplace_back([&] { EXPECT_TRUE(CallSleep(stub, "eight").ok()); });
  }
  EXPECT_TRUE(server().AwaitArrivals("eight", 8));
  for (int call = 0; call < 100; call++) EXPECT_TRUE(Echoes(stub, call));
  EXPECT_TRUE(Echoes(NewStub(), 1)) << "new connections are served too";
  EXPECT_TRUE(CallsSelf(stub, 1));
  server().OpenGate("eight");
  for (std::thread& sleeper : sleepers) sleeper.join();
}

// Each blocked call on a connection of its own.
TEST_P(ManyConnectionsTest, BlockedHandlersOfEach) {
  std::vector<std::thread> sleepers;
  for (int sleeper = 0; sleeper < 8; sleeper++) {
    sleepers.emplace_back([&] { EXPECT_TRUE(CallSleep(NewStub(), "many").ok()); });
  }
  EXPECT_TRUE(server().AwaitArrivals("many", 8));
  EXPECT_TRUE(Echoes(NewStub(), 1));
  server().OpenGate("many");
  for (std::thread& sleeper : sleepers) sleeper.join();
}

TEST_P(ConcurrencyTest, HandlerCallsItsOwnServer) {
  const TestService::Stub stub = NewStub();
  for (int depth = 0; depth <= 3; depth++) EXPECT_TRUE(CallsSelf(stub, depth)) << depth;
}

TEST_P(ConcurrencyTest, EightHandlersCallTheirOwnServerThreeDeep) {
  const TestService::Stub stub = NewStub();
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; caller++) {
    callers.emplace_back([&] {
      for (int round = 0; round < Scaled(20); round++) EXPECT_TRUE(CallsSelf(stub, 3));
    });
  }
  for (std::thread& caller : callers) caller.join();
}

// Fast handlers share a thread; those that are blocked at once cannot.
TEST_P(ConcurrencyTest, WhoServes) {
  const TestService::Stub stub = NewStub();
  std::thread sleeper([&] { EXPECT_TRUE(CallSleep(stub, "who").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("who", 1));
  std::set<int64_t> threads;
  for (int call = 0; call < 200; call++) {
    PatientContext context;
    WhoReply reply;
    ASSERT_TRUE(stub.WhoServes(&context, EmptyMessage(), &reply).ok());
    EXPECT_EQ(reply.pid(), server().pid());
    threads.insert(reply.thread());
  }
  EXPECT_LE(threads.size(), 10u) << "a thread per call";
  server().OpenGate("who");
  sleeper.join();
}

// Reader roles, on both sides, change hands all the time.
TEST_P(ConcurrencyTest, FastAndSlowHandlersMixed) {
  const TestService::Stub stub = NewStub();
  const int rounds = Scaled(40);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; caller++) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < rounds; round++) {
        for (int call = 0; call < 20; call++) EXPECT_TRUE(Echoes(stub, caller * 1000 + call));
        EXPECT_TRUE(CallsSelf(stub, caller % 3));
      }
    });
  }
  for (int round = 0; round < rounds; round++) {
    const std::string gate = "mixed-" + std::to_string(round);
    std::thread sleeper([&] { EXPECT_TRUE(CallSleep(stub, gate).ok()); });
    EXPECT_TRUE(server().AwaitArrivals(gate, 1));
    server().OpenGate(gate);
    sleeper.join();
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace conformance
