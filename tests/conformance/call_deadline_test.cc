// Deadlines, and the cancellation that follows them.
#include <gtest/gtest.h>

#include <thread>

#include "call_fixture.h"

namespace conformance {
namespace {

class DeadlineTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }

  DeadlineReply Tell(sidecall::ClientContext& context) {
    DeadlineReply reply;
    const absl::Status status = NewStub().TellDeadline(&context, EmptyMessage(), &reply);
    EXPECT_TRUE(status.ok()) << status;
    return reply;
  }
  static SleepRequest AtGate(const std::string& gate) {
    SleepRequest request;
    request.set_gate(gate);
    return request;
  }
};
SIDECALL_OVER_ALL_TRANSPORTS(DeadlineTest);

TEST_P(DeadlineTest, NoDeadline) {
  sidecall::ClientContext none;
  EXPECT_FALSE(Tell(none).has_deadline());
  sidecall::ClientContext infinite;
  infinite.set_deadline(absl::InfiniteFuture());
  EXPECT_FALSE(Tell(infinite).has_deadline());
  sidecall::ClientContext infinite_timeout;
  infinite_timeout.set_timeout(absl::InfiniteDuration());
  EXPECT_FALSE(Tell(infinite_timeout).has_deadline());
}

TEST_P(DeadlineTest, SeenByTheServer) {
  sidecall::ClientContext context;
  context.set_timeout(absl::Seconds(1000));
  const DeadlineReply reply = Tell(context);
  ASSERT_TRUE(reply.has_deadline());
  EXPECT_LE(reply.left_nanos(), int64_t{1000} * 1'000'000'000);
  EXPECT_GT(reply.left_nanos(), int64_t{900} * 1'000'000'000);
}

TEST_P(DeadlineTest, Long) {
  for (const absl::Duration timeout : {absl::Hours(24 * 365), absl::Hours(24 * 365 * 200)}) {
    sidecall::ClientContext context;
    context.set_timeout(timeout);
    EXPECT_TRUE(Tell(context).has_deadline());
  }
  sidecall::ClientContext context;
  context.set_deadline(absl::Now() + absl::Hours(24 * 365 * 100));
  EXPECT_TRUE(Tell(context).has_deadline());
}

TEST_P(DeadlineTest, InThePast) {
  const TestService::Stub stub = NewStub();
  for (const absl::Duration timeout : {absl::ZeroDuration(), absl::Seconds(-5), -absl::InfiniteDuration()}) {
    sidecall::ClientContext context;
    context.set_timeout(timeout);
    EchoMessage reply;
    const absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
    EXPECT_TRUE(sidecall::IsNotSent(status));
  }
  sidecall::ClientContext context;
  context.set_deadline(absl::InfinitePast());
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.Echo(&context, EchoMessage(), &reply), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Echoes(stub, 1));
}

// Set in time, and late when the call begins.
TEST_P(DeadlineTest, PassedBetweenSettingAndCalling) {
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echoes(stub, 1));
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // Time is what this is about.
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.Echo(&context, EchoMessage(), &reply), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Echoes(stub, 2));
}

TEST_P(DeadlineTest, HandlerSeesThatNobodyWaits) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(100) * kSlowness);
  EchoMessage reply;
  const absl::Status status = stub.Sleep(&context, AtGate("never-opened"), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Says(status, "conformance.TestService/Sleep"));
  EXPECT_FALSE(sidecall::IsNotSent(status));
  EXPECT_TRUE(server().AwaitArrivals("never-opened", 1));
  EXPECT_TRUE(server().AwaitCancels("never-opened", 1));
  EXPECT_TRUE(Echoes(stub, 1));
}

// Replies that come too late find nobody, and later calls get their own.
TEST_P(DeadlineTest, LateReplyIsDropped) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < 20; round++) {
    sidecall::ClientContext context;
    context.set_timeout(absl::Milliseconds(2));
    EchoMessage reply;
    EXPECT_TRUE(
        HasCode(stub.Sleep(&context, AtGate("never-opened"), &reply), absl::StatusCode::kDeadlineExceeded));
    EXPECT_TRUE(EchoesPayload(stub, 100, round));
  }
}

TEST_P(DeadlineTest, OneOfManyCallsOnTheConnection) {
  const TestService::Stub stub = NewStub();
  std::thread sleeper([&] { EXPECT_TRUE(CallSleep(stub, "opened").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("opened", 1));
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(20));
  EchoMessage reply;
  EXPECT_TRUE(
      HasCode(stub.Sleep(&context, AtGate("never-opened"), &reply), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Echoes(stub, 1));
  server().OpenGate("opened");
  sleeper.join();
}

// It must not overflow.
TEST_P(DeadlineTest, InfiniteConnectTimeout) {
  sidecall::ChannelOptions options;
  options.connect_timeout = absl::InfiniteDuration();
  EXPECT_TRUE(Echoes(NewStub(options), 1));
}

}  // namespace
}  // namespace conformance
