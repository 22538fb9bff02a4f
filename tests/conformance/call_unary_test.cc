// Unary calls: which method, of which service, through which stub; and what becomes of the reply.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "call_fixture.h"
#include "sidecall/internal/stub.h"
#include "testing_other.sidecall.h"

namespace conformance {
namespace {

class UnaryTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(UnaryTest);

TEST_P(UnaryTest, MisspeltMethod) {
  static constexpr sidecall::internal::Method kMisspelt("conformance.TestService/Ecko",
                                                        sidecall::internal::MethodKind::kUnary);
  const auto channel = NewChannel();
  PatientContext context;
  EchoMessage reply;
  const absl::Status status =
      sidecall::internal::CallUnary(*channel, kMisspelt, &context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Says(status, "conformance.TestService has no method Ecko"));
  EXPECT_TRUE(Says(status, "Nearest: Echo"));
  EXPECT_TRUE(sidecall::IsNotSent(status)) << "no handler has seen it";
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1)) << "the connection lives on";
}

// A stub of another .proto may take it for a unary one: the stream ends well, without the one reply.
TEST_P(UnaryTest, StreamingMethodCalledAsUnary) {
  static constexpr sidecall::internal::Method kStreaming("conformance.TestService/ServerStream",
                                                         sidecall::internal::MethodKind::kUnary);
  const auto channel = NewChannel();
  PatientContext context;
  EchoMessage reply;
  const absl::Status status =
      sidecall::internal::CallUnary(*channel, kStreaming, &context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInternal));
  EXPECT_TRUE(Says(status, "has no message"));
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
}

testing::AssertionResult EchoesNegated(const other::TestService::Stub& stub, int64_t number) {
  PatientContext context;
  EchoMessage request;
  request.set_number(number);
  EchoMessage reply;
  const absl::Status status = stub.Echo(&context, request, &reply);
  if (!status.ok()) return testing::AssertionFailure() << status;
  if (reply.number() == -number) return testing::AssertionSuccess();
  return testing::AssertionFailure() << reply.number() << " instead of " << -number;
}

TEST_P(UnaryTest, SameNamesInTwoPackages) {
  const auto channel = NewChannel();
  const TestService::Stub stub(channel);
  const other::TestService::Stub other_stub(channel);
  for (int number = 1; number <= 3; number++) {
    EXPECT_TRUE(Echoes(stub, number));
    EXPECT_TRUE(EchoesNegated(other_stub, number));
  }
}

// Of both services, all there at once, each used by a thread of its own.
TEST_P(UnaryTest, ManyStubsOnOneChannel) {
  const auto channel = NewChannel();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 16; thread++) {
    threads.emplace_back(
        [thread, stub = TestService::Stub(channel), other = other::TestService::Stub(channel)] {
          for (int number = 1; number <= 50; number++) {
            EXPECT_TRUE(Echoes(stub, thread * 1000 + number));
            EXPECT_TRUE(EchoesNegated(other, thread * 1000 + number));
          }
        });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(UnaryTest, AReplyReplacesWhatTheMessageHeld) {
  const TestService::Stub stub = NewStub();
  EchoMessage reply;
  reply.set_payload("of an earlier call");
  PatientContext context;
  ASSERT_TRUE(stub.Echo(&context, EchoMessage(), &reply).ok());
  EXPECT_EQ(reply.payload(), "");
}

}  // namespace
}  // namespace conformance
