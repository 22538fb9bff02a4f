// Cancellation by the handler, and handlers that are told of a cancel.
#include <gtest/gtest.h>

#include <string>

#include "call_stream_fixture.h"

namespace conformance {
namespace {

using sidecall::ClientContext;

class ServerCancelTest : public StreamTest {
 protected:
  // Makes a call of each kind of stream, whose handler cancels after so many of its messages.
  void ExpectEachKindIsCancelled(const std::string& after) {
    const TestService::Stub stub = NewStub();
    {
      PatientContext context;
      context.AddMetadata("cancel-after", after);
      StreamSummary summary;
      const auto writer = stub.ClientStream(&context, &summary);
      for (int i = 0; i < kMessages && writer->Write(MessageOf(i)); i++) {
      }
      ExpectCancelled(writer->Finish());
    }
    {
      PatientContext context;
      context.AddMetadata("cancel-after", after);
      StreamRequest request;
      request.set_count(kMessages);
      const auto reader = stub.ServerStream(&context, request);
      for (EchoMessage message; reader->Read(&message);) {
      }
      ExpectCancelled(reader->Finish());
    }
    {
      PatientContext context;
      context.AddMetadata("cancel-after", after);
      const auto stream = stub.BidirectionalStream(&context);
      EchoMessage message;
      for (int i = 0; i < kMessages && stream->Write(MessageOf(i)) && stream->Read(&message); i++) {
      }
      ExpectCancelled(stream->Finish());
    }
    EXPECT_TRUE(Echoes(stub, 1));
  }

  static void ExpectCancelled(const absl::Status& status) {
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kCancelled));
    EXPECT_TRUE(Says(status, "the handler cancelled the call"));
    EXPECT_FALSE(sidecall::IsNotSent(status));
  }

  static constexpr int kMessages = 10;
};
SIDECALL_OVER_ALL_TRANSPORTS(ServerCancelTest);

TEST_P(ServerCancelTest, Before) {
  ExpectEachKindIsCancelled("0");
}

TEST_P(ServerCancelTest, During) {
  ExpectEachKindIsCancelled("3");
}

TEST_P(ServerCancelTest, After) {
  ExpectEachKindIsCancelled(std::to_string(UINT64_MAX - 1));
}

TEST_P(ServerCancelTest, UnaryCall) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("cancel-after", "0");
  EchoMessage reply;
  server().OpenGate("gate");
  SleepRequest request;
  request.set_gate("gate");
  ExpectCancelled(stub.Sleep(&context, request, &reply));
}

// The handler waits in Read meanwhile.
TEST_P(ServerCancelTest, FromAnotherThread) {
  PatientContext context;
  context.AddMetadata("cancel-gate", "now");
  StreamSummary summary;
  const TestService::Stub stub = NewStub();
  const auto writer = stub.ClientStream(&context, &summary);
  ASSERT_TRUE(writer->Write(MessageOf(1)));
  server().OpenGate("now");
  while (writer->Write(MessageOf(2), sidecall::WriteOptions())) {
  }
  ExpectCancelled(writer->Finish());
}

// Sleep's handler waits for nothing but the callback.
TEST_P(ServerCancelTest, CallbackOnCancel) {
  const TestService::Stub stub = NewStub();
  for (int i = 1; i <= 20; i++) {
    ClientContext context;
    std::thread canceller([&] {
      EXPECT_TRUE(server().AwaitArrivals("gate", i));
      context.TryCancel();
    });
    SleepRequest request;
    request.set_gate("gate");
    EchoMessage reply;
    EXPECT_TRUE(HasCode(stub.Sleep(&context, request, &reply), absl::StatusCode::kCancelled));
    canceller.join();
    EXPECT_TRUE(server().AwaitCancels("gate", i));
  }
}

TEST_P(ServerCancelTest, CallbackOnDeadline) {
  const TestService::Stub stub = NewStub();
  ClientContext context;
  context.set_timeout(absl::Milliseconds(100) * kSlowness);
  SleepRequest request;
  request.set_gate("gate");
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.Sleep(&context, request, &reply), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(server().AwaitCancels("gate", 1));
}

}  // namespace
}  // namespace conformance
