// The interop cases of unary calls, and those that unary and bidirectional calls have in common.
#include "interop_fixture.h"

namespace sidecall_interop {
namespace {

// The one place where the suite meets the transports: its cases are in several files.
SIDECALL_OVER_ALL_TRANSPORTS(InteropTest);

EchoStatus StatusToEcho(const std::string& message) {
  EchoStatus status;
  status.set_code(static_cast<int>(absl::StatusCode::kUnknown));
  status.set_message(message);
  return status;
}

absl::Status UnaryStatus(const TestService::Stub& stub, const std::string& message) {
  PatientContext context;
  SimpleRequest request;
  request.set_response_size(10);
  *request.mutable_response_status() = StatusToEcho(message);
  SimpleResponse response;
  absl::Status status = stub.UnaryCall(&context, request, &response);
  EXPECT_FALSE(response.has_payload()) << "a response came beside " << status;
  return status;
}

TEST_P(InteropTest, empty_unary) {
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(CallsEmpty(stub));
  EXPECT_TRUE(stub.EmptyCall(Empty()).ok()) << "the short form, without a deadline";
}

TEST_P(InteropTest, large_unary) {
  EXPECT_TRUE(CallsLarge(NewStub(), LargeRequest()));
}

constexpr char kInitialValue[] = "test_initial_metadata_value";
constexpr char kTrailingValue[] = "\xab\xab\xab";

void AddCustomMetadata(sidecall::ClientContext& context) {
  context.AddMetadata(kEchoInitial, kInitialValue);
  context.AddMetadata(kEchoTrailing, kTrailingValue);
}

void ExpectCustomMetadata(const sidecall::ClientContext& context) {
  EXPECT_EQ(context.server_initial_metadata().Find(kEchoInitial), kInitialValue);
  EXPECT_EQ(context.server_initial_metadata().size(), 1u);
  EXPECT_EQ(context.server_trailing_metadata().Find(kEchoTrailing), kTrailingValue);
  EXPECT_EQ(context.server_trailing_metadata().size(), 1u);
}

TEST_P(InteropTest, custom_metadata) {
  const TestService::Stub stub = NewStub();
  PatientContext unary_context;
  AddCustomMetadata(unary_context);
  SimpleResponse response;
  const absl::Status status = stub.UnaryCall(&unary_context, LargeRequest(), &response);
  EXPECT_TRUE(status.ok()) << status;
  ExpectCustomMetadata(unary_context);

  PatientContext duplex_context;
  AddCustomMetadata(duplex_context);
  const auto stream = stub.FullDuplexCall(&duplex_context);
  ASSERT_TRUE(stream->Write(RequestOf({314159}, 271828)));
  ASSERT_TRUE(ReadsResponse(*stream, 314159));
  EXPECT_EQ(duplex_context.server_initial_metadata().Find(kEchoInitial), kInitialValue)
      << "it precedes the first response";
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(HasEnded(*stream));
  EXPECT_TRUE(stream->Finish().ok());
  ExpectCustomMetadata(duplex_context);
}

TEST_P(InteropTest, status_code_and_message) {
  const TestService::Stub stub = NewStub();
  const absl::Status expected = absl::UnknownError("test status message");
  const absl::Status unary = UnaryStatus(stub, "test status message");
  EXPECT_EQ(unary, expected);
  EXPECT_FALSE(sidecall::IsNotSent(unary));

  PatientContext context;
  const auto stream = stub.FullDuplexCall(&context);
  StreamingOutputCallRequest request;
  *request.mutable_response_status() = StatusToEcho("test status message");
  EXPECT_TRUE(stream->Write(request));
  // The end may come first: whether the half-close is taken does not matter.
  (void)stream->WritesDone();
  EXPECT_TRUE(HasEnded(*stream));
  EXPECT_EQ(stream->Finish(), expected);
}

TEST_P(InteropTest, special_status_message) {
  const std::string message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
  EXPECT_EQ(UnaryStatus(NewStub(), message), absl::UnknownError(message));
}

TEST_P(InteropTest, unimplemented_method) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  Empty response;
  const absl::Status status = stub.UnimplementedCall(&context, Empty(), &response);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Says(status, "UnimplementedCall"));
  EXPECT_TRUE(CallsEmpty(stub)) << "the connection lives on";
}

TEST_P(InteropTest, unimplemented_service) {
  const auto channel = NewChannel();
  PatientContext context;
  Empty response;
  const absl::Status status =
      UnimplementedService::Stub(channel).UnimplementedCall(&context, Empty(), &response);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Says(status, "this server has no service sidecall_interop.UnimplementedService"));
  EXPECT_TRUE(Says(status, "Nearest: sidecall_interop.TestService"));
  EXPECT_TRUE(CallsEmpty(TestService::Stub(channel))) << "the connection lives on";
}

}  // namespace
}  // namespace sidecall_interop
