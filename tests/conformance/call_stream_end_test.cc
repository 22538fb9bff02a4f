// Streams whose server shuts down, and calls that a cancel may end at any moment.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "call_fixture.h"

namespace conformance {
namespace {

class StreamEndTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(StreamEndTest);

// -- Shutdown
// ---------------------------------------------------------------------------------------------------------

TEST_P(StreamEndTest, OpenStreamsFinishInAGracefulShutdown) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  ASSERT_TRUE(stream->Write(message));
  ASSERT_TRUE(stream->Read(&message));
  server().BeginShutdown(absl::InfiniteDuration());
  // New calls are refused before long; the stream goes on.
  absl::Status refused;
  while (refused.ok()) {
    PatientContext echo_context;
    EchoMessage reply;
    refused = stub.Echo(&echo_context, EchoMessage(), &reply);
  }
  EXPECT_TRUE(HasCode(refused, absl::StatusCode::kUnavailable));
  for (int i = 0; i < 100; i++) {
    message.set_number(i);
    ASSERT_TRUE(stream->Write(message));
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_EQ(message.number(), i);
  }
  const absl::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(server().AwaitShutdown());
}

TEST_P(StreamEndTest, StreamsAreCancelledWhenTheGraceHasPassed) {
  const TestService::Stub stub = NewStub();
  PatientContext reading_context;
  const auto reading = stub.BidirectionalStream(&reading_context);  // Its handler waits for a message,
  EchoMessage message;
  ASSERT_TRUE(reading->Write(message));
  ASSERT_TRUE(reading->Read(&message));
  PatientContext writing_context;
  StreamRequest request;
  request.set_count(100000);
  request.set_size(1000);
  const auto writing = stub.ServerStream(&writing_context, request);  // and this one's for window.
  ASSERT_TRUE(writing->Read(&message));
  server().BeginShutdown(absl::Milliseconds(20));
  EXPECT_TRUE(server().AwaitShutdown());
  EXPECT_FALSE(reading->Read(&message));
  const absl::Status read_status = reading->Finish();
  EXPECT_TRUE(absl::IsCancelled(read_status) || absl::IsUnavailable(read_status)) << read_status;
  while (writing->Read(&message)) {
  }
  const absl::Status write_status = writing->Finish();
  EXPECT_TRUE(absl::IsCancelled(write_status) || absl::IsUnavailable(write_status)) << write_status;
}

// -- Cancellation at any moment
// ---------------------------------------------------------------------------------------------------------

TEST_P(StreamEndTest, StartAndCancel) {
  const TestService::Stub stub = NewStub();
  for (int i = 0; i < Scaled(2000); i++) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage message;
    if (i % 3 > 0) stream->Write(message);
    if (i % 3 > 1) {
      EXPECT_TRUE(stream->Read(&message));
    }
    context.TryCancel();
    EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
  }
  EXPECT_TRUE(Echoes(stub, 1));
}

// A cancel by another thread meets the reply: one of the two is the call's end.
TEST_P(StreamEndTest, CancelMeetsTheReply) {
  const TestService::Stub stub = NewStub();
  int cancelled = 0;
  for (int i = 0; i < Scaled(500); i++) {
    PatientContext context;
    std::atomic<bool> go{false};
    std::thread canceller([&] {
      while (!go.load()) std::this_thread::yield();
      context.TryCancel();
    });
    go.store(true);
    EchoMessage request;
    request.set_number(i);
    EchoMessage reply;
    const absl::Status status = stub.Echo(&context, request, &reply);
    canceller.join();
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
    if (status.ok()) {
      EXPECT_EQ(reply.number(), i);
    } else {
      cancelled++;
      EXPECT_EQ(reply.number(), 0) << "a reply beside an error";
    }
  }
  EXPECT_TRUE(Echoes(stub, 1));
  testing::Test::RecordProperty("cancelled", cancelled);
}

}  // namespace
}  // namespace conformance
