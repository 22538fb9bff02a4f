// Processes that are killed while calls are under way.
#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "call_child.h"
#include "call_fixture.h"

namespace conformance {
namespace {

class DeathTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_TRANSPORTS_WHERE(DeathTest, InTwoProcesses);

// The client that dies is a process of its own.
class ClientDeathTest : public DeathTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ClientDeathTest, [](const Setup& setup) {
  return InOneProcess(setup) && MayLeaveTheProcess(setup);
});

class ChannelLifeTest : public DeathTest {};
SIDECALL_OVER_ALL_TRANSPORTS(ChannelLifeTest);

TEST_P(DeathTest, ServerIsKilledInAHandler) {
  ExpectRemains();
  const TestService::Stub stub = NewStub();
  std::vector<std::future<absl::Status>> sleepers;
  for (int call = 0; call < 4; call++) {
    sleepers.push_back(std::async(std::launch::async, [&] { return CallSleep(stub, "never-opened"); }));
  }
  ASSERT_TRUE(server().AwaitArrivals("never-opened", 4));
  server().Kill();
  for (auto& sleeper : sleepers) {
    const absl::Status status = sleeper.get();
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
    EXPECT_FALSE(sidecall::IsNotSent(status)) << "it had reached a handler: " << status;
  }
}

// What it leaves behind does not keep the next one from listening there, nor the channel from finding it.
TEST_P(DeathTest, KilledServersAddressIsTakenOver) {
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echoes(stub, 1));
  server().Kill();
  PatientContext context;
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.Echo(&context, EchoMessage(), &reply), absl::StatusCode::kUnavailable));
  StopServer();
  PatientContext next_context;
  const absl::Status status = stub.Echo(&next_context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(status)) << "nobody was there";
  StartServer();
  EXPECT_TRUE(Echoes(stub, 2));
}

TEST_P(ClientDeathTest, ClientIsKilledMidCall) {
  for (int round = 1; round <= 3; round++) {
    auto client = Child::Start({"sleep", address(), "never-opened"});
    ASSERT_NE(client, nullptr);
    ASSERT_TRUE(server().AwaitArrivals("never-opened", round));
    client->Kill();
    EXPECT_TRUE(server().AwaitCancels("never-opened", round));
    EXPECT_TRUE(Echoes(NewStub(), round)) << "the server lives";
  }
}

class OtherClientsTest : public DeathTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(OtherClientsTest, SharesAServerInAnotherProcess);

// Clients and server in three processes, and one client dies: the others do not notice.
TEST_P(OtherClientsTest, DoNotNotice) {
  auto client = Child::Start({"echo", address()});
  auto doomed = Child::Start({"sleep", address(), "never-opened"});
  ASSERT_TRUE(client != nullptr && doomed != nullptr);
  EXPECT_EQ(client->Ask("1"), "1");
  ASSERT_TRUE(server().AwaitArrivals("never-opened", 1));
  const TestService::Stub stub = NewStub();
  auto sleeper = std::async(std::launch::async, [&] { return CallSleep(stub, "opened"); });
  doomed->Kill();
  EXPECT_TRUE(server().AwaitCancels("never-opened", 1));
  EXPECT_EQ(client->Ask("2"), "2");
  server().OpenGate("opened");
  EXPECT_TRUE(sleeper.get().ok());
}

// A channel that goes away with its process or alone is an end like any other.
TEST_P(ChannelLifeTest, ChannelsComeAndGo) {
  for (int round = 0; round < Scaled(50); round++) {
    const TestService::Stub stub = NewStub();
    EXPECT_TRUE(EchoesPayload(stub, 20000, static_cast<uint64_t>(round)));
  }
}

}  // namespace
}  // namespace conformance
