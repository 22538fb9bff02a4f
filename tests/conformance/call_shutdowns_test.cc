// A thousand shutdowns with calls of each kind in flight.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "call_fixture.h"

namespace conformance {
namespace {

class ShutdownsTest : public CallTest {
 protected:
  // Over all transports in one process a thousand in all, under sanitizers too. Another process takes its
  // time to start.
  static int Rounds() {
    constexpr size_t kInAll = 1000;
    if (InTwoProcesses(GetParam())) return Scaled(40);
    const size_t setups = SetupsWhere(InOneProcess).size();
    return static_cast<int>((kInAll + setups - 1) / setups);
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(ShutdownsTest, SharesAServer);

// Unary calls and streams in every state, at whatever moment: each ends, once, and nothing hangs.
TEST_P(ShutdownsTest, WithCallsInFlight) {
  for (int round = 0; round < Rounds(); round++) {
    StartServer();
    const TestService::Stub stub = NewStub();
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      while (!stop.load()) {
        PatientContext context;
        EchoMessage reply;
        if (!stub.Echo(&context, EchoMessage(), &reply).ok()) return;
      }
    });
    threads.emplace_back([&] {
      PatientContext context;
      const auto stream = stub.BidirectionalStream(&context);
      EchoMessage message;
      while (stream->Write(message) && stream->Read(&message)) {
      }
      EXPECT_FALSE(stream->Finish().ok());
    });
    threads.emplace_back([&] {
      PatientContext context;
      StreamSummary summary;
      const auto writer = stub.ClientStream(&context, &summary);
      EchoMessage message;
      while (writer->Write(message, sidecall::WriteOptions().set_buffer_hint())) {
      }
      EXPECT_FALSE(writer->Finish().ok());
    });
    threads.emplace_back([&] {
      PatientContext context;
      StreamRequest request;
      request.set_count(UINT64_MAX);
      request.set_size(1000);
      const auto reader = stub.ServerStream(&context, request);
      EchoMessage message;
      while (reader->Read(&message)) {
      }
      EXPECT_FALSE(reader->Finish().ok());
    });
    threads.emplace_back([&] { EXPECT_FALSE(CallSleep(stub, "never-opened").ok()); });
    EXPECT_TRUE(Echoes(stub, round));
    server().BeginShutdown(absl::Milliseconds(round % 3));
    EXPECT_TRUE(server().AwaitShutdown());
    StopServer();
    stop.store(true);
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace conformance
