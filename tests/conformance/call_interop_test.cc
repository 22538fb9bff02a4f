// gRPC's interop cases of unary calls, by their names.
#include <gtest/gtest.h>

#include <string>

#include "call_fixture.h"
#include "call_payload.h"
#include "sidecall/internal/stub.h"
#include "testing_other.sidecall.h"

namespace conformance {
namespace {

class InteropTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(InteropTest);

TEST_P(InteropTest, empty_unary) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  EmptyMessage reply;
  EXPECT_TRUE(stub.Empty(&context, EmptyMessage(), &reply).ok());
  EXPECT_TRUE(stub.Empty(EmptyMessage()).ok()) << "the short form, without a deadline";
}

TEST_P(InteropTest, large_unary) {
  const TestService::Stub stub = NewStub();
  PatientContext take_context;
  EchoMessage request;
  *request.mutable_payload() = RandomPayload(271828, 1);
  LargeReply taken;
  ASSERT_TRUE(stub.TakeLarge(&take_context, request, &taken).ok());
  EXPECT_EQ(taken.size(), 271828u);
  EXPECT_EQ(taken.checksum(), Checksum(request.payload()));

  PatientContext return_context;
  LargeRequest wanted;
  wanted.set_size(314159);
  wanted.set_seed(2);
  EchoMessage reply;
  ASSERT_TRUE(stub.ReturnLarge(&return_context, wanted, &reply).ok());
  EXPECT_TRUE(reply.payload() == RandomPayload(314159, 2));
}

TEST_P(InteropTest, custom_metadata) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("initial-x-grpc-test-echo", "test_initial_metadata_value");
  context.AddMetadata("x-grpc-test-echo-trailing-bin", "\xab\xab\xab");
  MetadataReply reply;
  const absl::Status status = stub.EchoMetadata(&context, FailRequest(), &reply);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(context.server_initial_metadata().Find("initial-x-grpc-test-echo"),
            "test_initial_metadata_value");
  EXPECT_EQ(context.server_initial_metadata().size(), 1u);
  EXPECT_EQ(context.server_trailing_metadata().Find("x-grpc-test-echo-trailing-bin"), "\xab\xab\xab");
  EXPECT_EQ(context.server_trailing_metadata().size(), 1u);
}

absl::Status CallFail(const TestService::Stub& stub, int code, const std::string& message) {
  PatientContext context;
  FailRequest request;
  request.set_code(code);
  request.set_message(message);
  EchoMessage reply;
  absl::Status status = stub.Fail(&context, request, &reply);
  EXPECT_EQ(reply.payload(), "") << "a reply came beside " << status;
  return status;
}

TEST_P(InteropTest, status_code_and_message) {
  const absl::Status status = CallFail(NewStub(), 2, "test status message");
  EXPECT_EQ(status, absl::UnknownError("test status message"));
  EXPECT_FALSE(sidecall::IsNotSent(status));
}

TEST_P(InteropTest, special_status_message) {
  const std::string message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
  EXPECT_EQ(CallFail(NewStub(), 2, message), absl::UnknownError(message));
}

TEST_P(InteropTest, unimplemented_method) {
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

TEST_P(InteropTest, MethodThatIsNotOverridden) {
  PatientContext context;
  EmptyMessage reply;
  const absl::Status status = NewStub().NeverOverridden(&context, EmptyMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Says(status, "NeverOverridden"));
}

TEST_P(InteropTest, unimplemented_service) {
  const auto channel = NewChannel();
  PatientContext context;
  EchoMessage reply;
  const absl::Status status = UnservedService::Stub(channel).Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Says(status, "this server has no service conformance.UnservedService"));
  EXPECT_TRUE(Says(status, "Nearest: conformance.TestService"));
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
}

TEST_P(InteropTest, timeout_on_sleeping_server) {
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(1));
  SleepRequest request;
  request.set_gate("never-opened");
  EchoMessage reply;
  const absl::Status status = NewStub().Sleep(&context, request, &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
}

// A stub of another .proto may take it for a unary one: the stream ends well, without the one reply.
TEST_P(InteropTest, StreamingMethodCalledAsUnary) {
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

TEST_P(InteropTest, SameNamesInTwoPackages) {
  const auto channel = NewChannel();
  const TestService::Stub stub(channel);
  const other::TestService::Stub other_stub(channel);
  for (int number = 1; number <= 3; number++) {
    EXPECT_TRUE(Echoes(stub, number));
    PatientContext context;
    EchoMessage request;
    request.set_number(number);
    EchoMessage reply;
    ASSERT_TRUE(other_stub.Echo(&context, request, &reply).ok());
    EXPECT_EQ(reply.number(), -number);
  }
}

TEST_P(InteropTest, ManyStubsOnOneChannel) {
  const auto channel = NewChannel();
  for (int number = 0; number < 50; number++) EXPECT_TRUE(Echoes(TestService::Stub(channel), number));
}

TEST_P(InteropTest, AReplyReplacesWhatTheMessageHeld) {
  const TestService::Stub stub = NewStub();
  EchoMessage reply;
  reply.set_payload("of an earlier call");
  PatientContext context;
  ASSERT_TRUE(stub.Echo(&context, EchoMessage(), &reply).ok());
  EXPECT_EQ(reply.payload(), "");
}

}  // namespace
}  // namespace conformance
