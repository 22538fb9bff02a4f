// Statuses: every code, details, what a handler throws, and which calls were not sent.
#include <gtest/gtest.h>

#include <string>

#include "call_fixture.h"
#include "sidecall/internal/stub.h"

namespace conformance {
namespace {

class StatusTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(StatusTest);

TEST_P(StatusTest, EveryCode) {
  const TestService::Stub stub = NewStub();
  for (int code = 0; code <= 16; code++) {
    PatientContext context;
    FailRequest request;
    request.set_code(code);
    request.set_message("told by the handler");
    EchoMessage reply;
    const absl::Status status = stub.Fail(&context, request, &reply);
    EXPECT_EQ(static_cast<int>(status.code()), code);
    EXPECT_EQ(sidecall::StatusMessage(status), code == 0 ? "" : "told by the handler");
    EXPECT_FALSE(sidecall::IsNotSent(status));
    EXPECT_EQ(sidecall::StatusDetails(status), "");
  }
}

TEST_P(StatusTest, MessageAndDetails) {
  const TestService::Stub stub = NewStub();
  const std::string every_byte = [] {
    std::string bytes;
    for (int byte = 0; byte < 256; byte++) bytes += static_cast<char>(byte);
    return bytes;
  }();
  for (const std::string& message : {std::string(), std::string("short"), std::string(100000, 'm')}) {
    for (const std::string& details : {std::string("d"), every_byte, std::string(100000, '\0')}) {
      PatientContext context;
      FailRequest request;
      request.set_code(9);
      request.set_message(message);
      request.set_details(details);
      EchoMessage reply;
      const absl::Status status = stub.Fail(&context, request, &reply);
      EXPECT_TRUE(HasCode(status, absl::StatusCode::kFailedPrecondition));
      EXPECT_TRUE(sidecall::StatusMessage(status) == message);
      EXPECT_TRUE(sidecall::StatusDetails(status) == details);
    }
  }
}

TEST_P(StatusTest, TrailersOnlyOnError) {
  PatientContext context;
  context.AddMetadata("why", "because");
  FailRequest request;
  request.set_code(5);
  EchoMessage reply;
  EXPECT_TRUE(HasCode(NewStub().Fail(&context, request, &reply), absl::StatusCode::kNotFound));
  EXPECT_EQ(context.server_trailing_metadata().Find("why"), "because");
  EXPECT_TRUE(context.server_initial_metadata().empty());
  EXPECT_EQ(reply.payload(), "");
}

TEST_P(StatusTest, HandlerThrows) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < 3; round++) {
    PatientContext context;
    ThrowRequest request;
    request.set_standard(true);
    request.set_what("something broke");
    EmptyMessage reply;
    const absl::Status status = stub.Throw(&context, request, &reply);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnknown));
    EXPECT_TRUE(Says(status, "something broke"));
    EXPECT_FALSE(sidecall::IsNotSent(status));
    PatientContext other_context;
    EXPECT_TRUE(HasCode(stub.Throw(&other_context, ThrowRequest(), &reply), absl::StatusCode::kUnknown));
    EXPECT_TRUE(Echoes(stub, round)) << "the server lives";
  }
}

// The status of a nested call that was not sent says nothing of the call whose handler made it.
TEST_P(StatusTest, AForwardedStatusIsNotTakenForNotSent) {
  PatientContext context;
  EmptyMessage reply;
  const absl::Status status = NewStub().ForwardToNobody(&context, EmptyMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_FALSE(sidecall::IsNotSent(status)) << "a handler has seen it";
}

// The bytes of another message, whose field 1 is none of the UTF-8 that this method's is.
TEST_P(StatusTest, MalformedRequest) {
  static constexpr sidecall::internal::Method kMethod("conformance.TestService/Sleep",
                                                      sidecall::internal::MethodKind::kUnary);
  const auto channel = NewChannel();
  EchoMessage request;
  request.set_payload("\xff\xfe");
  for (int round = 0; round < 3; round++) {
    PatientContext context;
    EchoMessage reply;
    const absl::Status status = sidecall::internal::CallUnary(*channel, kMethod, &context, request, &reply);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
    EXPECT_TRUE(Echoes(TestService::Stub(channel), 1)) << "the connection lives on";
  }
}

// A reply that is not what its method promises ends that call only.
TEST_P(StatusTest, MalformedReply) {
  static constexpr sidecall::internal::Method kEcho("conformance.TestService/Echo",
                                                    sidecall::internal::MethodKind::kUnary);
  const auto channel = NewChannel();
  PatientContext context;
  EchoMessage request;
  request.set_payload("\xff\xfe");
  SleepRequest reply;  // Its field 1 is a string.
  const absl::Status status = sidecall::internal::CallUnary(*channel, kEcho, &context, request, &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInternal));
  EXPECT_TRUE(Says(status, "conformance.TestService/Echo"));
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
}

}  // namespace
}  // namespace conformance
