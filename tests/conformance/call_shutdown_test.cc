// Server::Shutdown, with time and without.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_test_service.h"

namespace conformance {
namespace {

class ShutdownTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }

  // Calls until the server's refusal, which must come, and gives it.
  static absl::Status FirstRefusal(const TestService::Stub& stub) {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < limit) {
      PatientContext context;
      EchoMessage reply;
      absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
};
SIDECALL_OVER_ALL_TRANSPORTS(ShutdownTest);

TEST_P(ShutdownTest, CallsInFlightFinishAndNewOnesAreRefused) {
  const TestService::Stub stub = NewStub();
  std::vector<std::future<absl::Status>> sleepers;
  for (int call = 0; call < 3; call++) {
    sleepers.push_back(std::async(std::launch::async, [&] { return CallSleep(stub, "graceful"); }));
  }
  ASSERT_TRUE(server().AwaitArrivals("graceful", 3));
  server().BeginShutdown(absl::InfiniteDuration());
  const absl::Status refused = FirstRefusal(stub);
  EXPECT_TRUE(HasCode(refused, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(refused)) << refused;
  const absl::Status elsewhere = FirstRefusal(NewStub());
  EXPECT_TRUE(HasCode(elsewhere, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(elsewhere)) << elsewhere;
  server().OpenGate("graceful");
  for (auto& sleeper : sleepers) EXPECT_TRUE(sleeper.get().ok());
  EXPECT_TRUE(server().AwaitShutdown());
}

// More than any transport holds: they have left when the server has shut down, and may be destroyed.
TEST_P(ShutdownTest, LargeRepliesLeaveBeforeItIsDone) {
  constexpr int kCalls = 12;
  constexpr uint32_t kBytes = 2 << 20;
  const TestService::Stub stub = NewStub();
  std::vector<std::future<absl::Status>> sleepers;
  for (int call = 0; call < kCalls; call++) {
    sleepers.push_back(std::async(std::launch::async, [&] {
      PatientContext context;
      SleepRequest request;
      request.set_gate("large");
      request.set_reply_bytes(kBytes);
      EchoMessage reply;
      absl::Status status = stub.Sleep(&context, request, &reply);
      EXPECT_TRUE(!status.ok() || reply.payload().size() == kBytes);
      return status;
    }));
  }
  ASSERT_TRUE(server().AwaitArrivals("large", kCalls));
  server().BeginShutdown(absl::InfiniteDuration());
  server().OpenGate("large");
  EXPECT_TRUE(server().AwaitShutdown());
  StopServer();
  for (auto& sleeper : sleepers) {
    const absl::Status status = sleeper.get();
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST_P(ShutdownTest, WhoIsLateIsCancelled) {
  const TestService::Stub stub = NewStub();
  auto sleeper = std::async(std::launch::async, [&] { return CallSleep(stub, "late"); });
  ASSERT_TRUE(server().AwaitArrivals("late", 1));
  server().BeginShutdown(absl::Milliseconds(50));
  EXPECT_TRUE(server().AwaitShutdown());
  EXPECT_TRUE(server().AwaitCancels("late", 1));
  EXPECT_TRUE(HasCode(sleeper.get(), absl::StatusCode::kCancelled))
      << "what the handler answered still arrives";
}

TEST_P(ShutdownTest, WithoutTime) {
  const TestService::Stub stub = NewStub();
  auto sleeper = std::async(std::launch::async, [&] { return CallSleep(stub, "now"); });
  ASSERT_TRUE(server().AwaitArrivals("now", 1));
  server().BeginShutdown(absl::ZeroDuration());
  EXPECT_TRUE(server().AwaitShutdown());
  EXPECT_FALSE(sleeper.get().ok());
}

TEST_P(ShutdownTest, Idle) {
  EXPECT_TRUE(Echoes(NewStub(), 1));
  server().BeginShutdown(absl::InfiniteDuration());
  EXPECT_TRUE(server().AwaitShutdown());
  server().BeginShutdown(absl::InfiniteDuration());
  EXPECT_TRUE(server().AwaitShutdown()) << "once more";
}

// The address is free as soon as Shutdown has returned.
TEST_P(ShutdownTest, AddressIsFree) {
  EXPECT_TRUE(Echoes(NewStub(), 1));
  server().BeginShutdown(absl::InfiniteDuration());
  ASSERT_TRUE(server().AwaitShutdown());
  EXPECT_EQ(directory().List(), "");
  auto next = ServerUnderTest::Start(GetParam().place, {address()}, {});
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(Echoes(NewStub(), 2));
}

// Server after server: a child that ends so soon, time and again, is started after ever longer pauses.
class ManyShutdownsTest : public ShutdownTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ManyShutdownsTest, SharesAServer);

// Every call that was under way ends once, whatever the moment.
TEST_P(ManyShutdownsTest, UnderLoad) {
  for (int round = 0; round < Scaled(20); round++) {
    if (round > 0) StartServer();
    const auto channel = NewChannel();
    std::vector<std::future<absl::Status>> callers;
    for (int caller = 0; caller < 4; caller++) {
      callers.push_back(
          std::async(std::launch::async, [&] { return FirstRefusal(TestService::Stub(channel)); }));
    }
    EXPECT_TRUE(Echoes(NewStub(), round));
    const bool patient = round % 2 == 0;
    server().BeginShutdown(patient ? absl::InfiniteDuration() : absl::ZeroDuration());
    EXPECT_TRUE(server().AwaitShutdown());
    StopServer();
    for (auto& caller : callers) {
      const absl::Status status = caller.get();
      // A handler that was cancelled as it returned may still say so.
      const bool cancelled = !patient && absl::IsCancelled(status);
      EXPECT_TRUE(cancelled || HasCode(status, absl::StatusCode::kUnavailable));
    }
  }
}

// -- In one process, where the server is at hand
// -------------------------------------------------------------

TEST(ServerTest, WaitReturnsAfterShutdown) {
  const TempDir directory;
  const std::string address = "unix:" + directory.path() + "/server";
  Gates gates;
  TestServiceImpl service(address, gates);
  auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&service).BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->addresses(), std::vector<std::string>{address});
  auto waited = std::async(std::launch::async, [&] { (*server)->Wait(); });
  EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel(address)), 1));
  (*server)->Shutdown();
  EXPECT_EQ(waited.wait_for(kPatience), std::future_status::ready);
  (*server)->Shutdown();
}

// The destructor cancels handlers, and waits for them.
TEST(ServerTest, DestroyedWhileAHandlerRuns) {
  const TempDir directory;
  const std::string address = "unix:" + directory.path() + "/server";
  Gates gates;
  TestServiceImpl service(address, gates);
  auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&service).BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  const TestService::Stub stub(sidecall::CreateChannel(address));
  auto sleeper = std::async(std::launch::async, [&] { return CallSleep(stub, "handler"); });
  ASSERT_TRUE(gates.AwaitArrivals("handler", 1));
  server->reset();
  EXPECT_TRUE(gates.AwaitCancels("handler", 1));
  EXPECT_FALSE(sleeper.get().ok());
}

}  // namespace
}  // namespace conformance
