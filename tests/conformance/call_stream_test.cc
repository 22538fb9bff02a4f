// Streaming calls: gRPC's interop cases by their names, and what users of gRPC rely on beside them.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_payload.h"

namespace conformance {
namespace {

class StreamTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(StreamTest);

EchoMessage MessageOf(int64_t number, size_t size = 0) {
  EchoMessage message;
  message.set_number(number);
  if (size > 0) *message.mutable_payload() = RandomPayload(size, static_cast<uint64_t>(number));
  return message;
}

testing::AssertionResult IsMessage(const EchoMessage& message, int64_t number, size_t size = 0) {
  if (message.number() != number) return testing::AssertionFailure() << "number " << message.number();
  if (message.payload() != MessageOf(number, size).payload()) {
    return testing::AssertionFailure() << "a payload of " << message.payload().size() << " other bytes";
  }
  return testing::AssertionSuccess();
}

TEST_P(StreamTest, client_streaming) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  for (const size_t size : {27182, 8, 1828, 45904}) {
    EXPECT_TRUE(writer->Write(MessageOf(static_cast<int64_t>(size), size)));
  }
  EXPECT_TRUE(writer->WritesDone());
  const absl::Status status = writer->Finish();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(summary.messages(), 4u);
  EXPECT_EQ(summary.bytes(), 74922u);
}

TEST_P(StreamTest, server_streaming) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamRequest request;
  const std::vector<uint32_t> sizes = {31415, 9, 2653, 58979};
  request.mutable_sizes()->Assign(sizes.begin(), sizes.end());
  const auto reader = stub.ServerStream(&context, request);
  EchoMessage message;
  for (size_t i = 0; i < sizes.size(); i++) {
    ASSERT_TRUE(reader->Read(&message)) << i;
    EXPECT_TRUE(IsMessage(message, static_cast<int64_t>(i), sizes[i]));
  }
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_FALSE(reader->Read(&message)) << "and none after that";
  const absl::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(StreamTest, ping_pong) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage reply;
  for (const size_t size : {27182, 8, 1828, 45904}) {
    ASSERT_TRUE(stream->Write(MessageOf(1, size)));
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_TRUE(IsMessage(reply, 1, size));
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(StreamTest, empty_stream) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EXPECT_TRUE(stream->WritesDone());
  EchoMessage reply;
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());

  PatientContext client_context;
  StreamSummary summary;
  EXPECT_TRUE(stub.ClientStream(&client_context, &summary)->Finish().ok()) << "Finish half-closes";
  EXPECT_EQ(summary.messages(), 0u);
  PatientContext server_context;
  EXPECT_TRUE(stub.ServerStream(&server_context, StreamRequest())->Finish().ok());
}

TEST_P(StreamTest, custom_metadata) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("initial-x-grpc-test-echo", "test_initial_metadata_value");
  context.AddMetadata("trailing-x-grpc-test-echo-bin", "\xab\xab\xab");
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage reply;
  ASSERT_TRUE(stream->Write(MessageOf(1)));
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(context.server_initial_metadata().Find("initial-x-grpc-test-echo"), "test_initial_metadata_value")
      << "it precedes the first message";
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(context.server_trailing_metadata().Find("trailing-x-grpc-test-echo-bin"), "\xab\xab\xab");
  EXPECT_EQ(context.server_initial_metadata().size(), 1u);
  EXPECT_EQ(context.server_trailing_metadata().size(), 1u);
}

TEST_P(StreamTest, InitialMetadataBeforeAnyMessage) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("initial-a", "1");
  context.AddMetadata("metadata-first", "");
  const auto stream = stub.BidirectionalStream(&context);
  stream->WaitForInitialMetadata();
  EXPECT_EQ(context.server_initial_metadata().Find("initial-a"), "1");
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(context.server_initial_metadata().size(), 1u) << "it came once";

  // Sent where there is none, too: the client waits for it.
  PatientContext none_context;
  none_context.AddMetadata("metadata-first", "");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&none_context, &summary);
  writer->WaitForInitialMetadata();
  EXPECT_TRUE(writer->Write(MessageOf(5)));
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(summary.sum(), 5);
}

// As large as there may be: it travels in pieces where a transport's frames are small.
TEST_P(StreamTest, LargeInitialMetadata) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const std::string large(60000, 'x');
  context.AddMetadata("initial-large", large);
  context.AddMetadata("metadata-first", "");
  const auto stream = stub.BidirectionalStream(&context);
  stream->WaitForInitialMetadata();
  EXPECT_TRUE(context.server_initial_metadata().Find("initial-large") == large);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(StreamTest, status_code_and_message) {
  const TestService::Stub stub = NewStub();
  for (const char* code : {"2", "5", "16"}) {
    PatientContext context;
    context.AddMetadata("code", code);
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage reply;
    ASSERT_TRUE(stream->Write(MessageOf(1)));
    EXPECT_TRUE(stream->Read(&reply)) << "a message before the error arrives";
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_FALSE(stream->Read(&reply));
    const absl::Status status = stream->Finish();
    EXPECT_EQ(status, absl::Status(static_cast<absl::StatusCode>(std::stoi(code)), "as the client wished"));
  }
}

TEST_P(StreamTest, HandlerThrows) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("throw", "");
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage reply;
  EXPECT_FALSE(stream->Read(&reply));
  const absl::Status status = stream->Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnknown));
  EXPECT_TRUE(Says(status, "as the client wished"));
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(StreamTest, UnimplementedStream) {
  const auto channel = NewChannel();
  static constexpr sidecall::internal::Method kMisspelt(
      "conformance.TestService/BidirectionalStroem", sidecall::internal::MethodKind::kBidirectionalStreaming);
  PatientContext context;
  sidecall::ClientReaderWriter<EchoMessage, EchoMessage> stream(channel, kMisspelt, context);
  for (int i = 0; i < 100; i++) (void)stream.Write(MessageOf(i, 10000));  // They cross the end.
  EchoMessage reply;
  EXPECT_FALSE(stream.Read(&reply));
  const absl::Status status = stream.Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Says(status, "Nearest: BidirectionalStream"));
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1)) << "the connection lives on";
}

TEST_P(StreamTest, ManyMessagesToTheServer) {
  const TestService::Stub stub = NewStub();
  const int count = Scaled(20000);
  for (const bool hint : {false, true}) {
    PatientContext context;
    StreamSummary summary;
    const auto writer = stub.ClientStream(&context, &summary);
    sidecall::WriteOptions options;
    if (hint) options.set_buffer_hint();
    for (int i = 0; i < count; i++) ASSERT_TRUE(writer->Write(MessageOf(i, 16), options)) << i;
    EXPECT_TRUE(writer->Finish().ok());
    EXPECT_EQ(summary.messages(), static_cast<uint64_t>(count));
    EXPECT_EQ(summary.sum(), int64_t{count} * (count - 1) / 2);
  }
}

TEST_P(StreamTest, ManyMessagesToTheClient) {
  const TestService::Stub stub = NewStub();
  const int count = Scaled(20000);
  for (const bool hint : {false, true}) {
    PatientContext context;
    StreamRequest request;
    request.set_count(static_cast<uint64_t>(count));
    request.set_size(16);
    request.set_hint(hint);
    const auto reader = stub.ServerStream(&context, request);
    EchoMessage message;
    for (int i = 0; i < count; i++) {
      ASSERT_TRUE(reader->Read(&message)) << i;
      ASSERT_TRUE(IsMessage(message, i, 16));
    }
    EXPECT_FALSE(reader->Read(&message));
    EXPECT_TRUE(reader->Finish().ok());
  }
}

TEST_P(StreamTest, SimultaneousReadsAndWrites) {
  const TestService::Stub stub = NewStub();
  const int count = Scaled(20000);
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  std::thread writer([&] {
    for (int i = 0; i < count; i++) ASSERT_TRUE(stream->Write(MessageOf(i, static_cast<size_t>(i % 300))));
    EXPECT_TRUE(stream->WritesDone());
  });
  EchoMessage message;
  int read = 0;
  while (stream->Read(&message)) {
    ASSERT_TRUE(IsMessage(message, read, static_cast<size_t>(read % 300)));
    read++;
  }
  EXPECT_EQ(read, count);
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
}

// Larger than every window, and than every frame.
TEST_P(StreamTest, LargeMessagesEachWay) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  constexpr size_t kLarge = (3u << 20) + 17;
  std::thread writer([&] {
    for (int i = 0; i < 5; i++) EXPECT_TRUE(stream->Write(MessageOf(i, kLarge)));
    EXPECT_TRUE(stream->WritesDone());
  });
  EchoMessage message;
  for (int i = 0; i < 5; i++) {
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_TRUE(IsMessage(message, i, kLarge));
  }
  EXPECT_FALSE(stream->Read(&message));
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(StreamTest, MessageOverTheServersLimit) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  EXPECT_TRUE(writer->Write(MessageOf(1)));
  EXPECT_FALSE(writer->Write(MessageOf(2, 5u << 20)));
  EXPECT_FALSE(writer->Write(MessageOf(3)));
  const absl::Status status = writer->Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "max_receive_message_bytes"));
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(StreamTest, MessageOverTheClientsLimit) {
  sidecall::ChannelOptions options;
  options.max_receive_message_bytes = 10000;
  const TestService::Stub stub = NewStub(options);
  PatientContext context;
  StreamRequest request;
  request.add_sizes(9000);
  request.add_sizes(11000);
  request.add_sizes(10);
  const auto reader = stub.ServerStream(&context, request);
  EchoMessage message;
  EXPECT_TRUE(reader->Read(&message));
  EXPECT_FALSE(reader->Read(&message));
  const absl::Status status = reader->Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(StreamTest, WritesAfterTheLastAreRefused) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EXPECT_TRUE(stream->WriteLast(MessageOf(1), sidecall::WriteOptions()));
  EXPECT_FALSE(stream->Write(MessageOf(2)));
  EXPECT_FALSE(stream->WritesDone());
  EchoMessage message;
  EXPECT_TRUE(stream->Read(&message));
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kFailedPrecondition)) << "a second Finish";
}

TEST_P(StreamTest, ServerFinishesEarly) {
  const TestService::Stub stub = NewStub();
  for (const char* code : {"0", "9"}) {
    PatientContext context;
    context.AddMetadata("end-after", "1");
    context.AddMetadata("code", code);
    StreamSummary summary;
    const auto writer = stub.ClientStream(&context, &summary);
    // Refused at the latest when the window is used up.
    int written = 0;
    while (written < 100000 && writer->Write(MessageOf(written, 1000))) written++;
    EXPECT_LT(written, 100000);
    EXPECT_FALSE(writer->WritesDone());
    const absl::Status status = writer->Finish();
    EXPECT_TRUE(HasCode(status, static_cast<absl::StatusCode>(std::stoi(code))));
    if (status.ok()) {
      EXPECT_EQ(summary.messages(), 1u);
    }
    EXPECT_TRUE(Echoes(stub, 1));
  }
}

TEST_P(StreamTest, FinishWithoutReading) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("code", "5");
  StreamRequest request;
  request.set_count(2000);
  request.set_size(1000);
  const auto reader = stub.ServerStream(&context, request);
  EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kNotFound)) << "the server writes all";
}

// -- Cancellation and deadlines
// ---------------------------------------------------------------------------------------------------------

TEST_P(StreamTest, cancel_after_begin) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("gate", "cancel");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  ASSERT_TRUE(server().AwaitArrivals("cancel", 1));
  context.TryCancel();
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kCancelled));
  EXPECT_TRUE(server().AwaitCancels("cancel", 1));
}

TEST_P(StreamTest, cancel_after_first_response) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-gate", "cancel");
  const auto stream = stub.BidirectionalStream(&context);
  ASSERT_TRUE(stream->Write(MessageOf(1)));
  EchoMessage reply;
  ASSERT_TRUE(stream->Read(&reply));
  context.TryCancel();
  EXPECT_FALSE(stream->Write(MessageOf(2)));
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
  EXPECT_TRUE(server().AwaitCancels("cancel", 1)) << "the handler's Read ends, and it goes on to its gate";
}

TEST_P(StreamTest, CancelWhileReading) {
  const TestService::Stub stub = NewStub();
  for (int i = 0; i < 20; i++) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage reply;
    ASSERT_TRUE(stream->Write(MessageOf(1)));
    ASSERT_TRUE(stream->Read(&reply));
    std::thread canceller([&] { context.TryCancel(); });
    EXPECT_FALSE(stream->Read(&reply));
    canceller.join();
    EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
  }
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(StreamTest, CancelOfAUnaryCall) {
  const TestService::Stub stub = NewStub();
  PatientContext before;
  before.TryCancel();
  EchoMessage reply;
  absl::Status status = stub.Echo(&before, MessageOf(1), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kCancelled));
  EXPECT_TRUE(sidecall::IsNotSent(status));

  // Two that sleep: one reads for both, and both are reached.
  PatientContext first_context;
  PatientContext second_context;
  SleepRequest request;
  request.set_gate("unary");
  absl::Status first;
  absl::Status second;
  std::thread first_thread([&] {
    EchoMessage ignored;
    first = stub.Sleep(&first_context, request, &ignored);
  });
  std::thread second_thread([&] {
    EchoMessage ignored;
    second = stub.Sleep(&second_context, request, &ignored);
  });
  EXPECT_TRUE(server().AwaitArrivals("unary", 2));
  first_context.TryCancel();
  first_thread.join();
  EXPECT_TRUE(server().AwaitCancels("unary", 1));
  second_context.TryCancel();
  second_thread.join();
  EXPECT_TRUE(server().AwaitCancels("unary", 2));
  EXPECT_TRUE(HasCode(first, absl::StatusCode::kCancelled));
  EXPECT_TRUE(HasCode(second, absl::StatusCode::kCancelled));
  EXPECT_FALSE(sidecall::IsNotSent(first));
  EXPECT_TRUE(Echoes(stub, 1));
  first_context.TryCancel();  // It has ended: no effect.
}

TEST_P(StreamTest, CancelReachesNestedCalls) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  SleepRequest request;
  request.set_gate("nested");
  std::thread canceller([&] {
    EXPECT_TRUE(server().AwaitArrivals("nested", 1));
    context.TryCancel();
  });
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.SleepNested(&context, request, &reply), absl::StatusCode::kCancelled));
  canceller.join();
  EXPECT_TRUE(server().AwaitCancels("nested", 1)) << "the nested call's handler knows";
}

TEST_P(StreamTest, DeadlineReachesNestedCalls) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(20));
  SleepRequest request;
  request.set_gate("nested-deadline");
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.SleepNested(&context, request, &reply), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(server().AwaitCancels("nested-deadline", 1)) << "the nested call's handler knows";
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST(NestedContextTest, TheEarlierDeadlineCounts) {
  sidecall::ServerContext parent;
  const sidecall::PeerIdentity peer;
  constexpr int64_t kParents = int64_t{1} << 60;
  parent.Start(peer, kParents);
  const auto nested = sidecall::ClientContext::FromServerContext(parent);
  EXPECT_EQ(nested->deadline_nanos(), kParents);
  nested->set_timeout(absl::Hours(1));
  EXPECT_LT(nested->deadline_nanos(), kParents);
  nested->set_timeout(absl::InfiniteDuration());
  EXPECT_EQ(nested->deadline_nanos(), kParents);
  nested->set_deadline(absl::InfiniteFuture());
  EXPECT_EQ(nested->deadline_nanos(), kParents);
  parent.MarkCancelled();
  EXPECT_TRUE(nested->cancelled());
  EXPECT_TRUE(sidecall::ClientContext::FromServerContext(parent)->cancelled()) << "and one that comes late";
}

// Nobody is inside of the stream: the server learns of it all the same.
TEST_P(StreamTest, CancelOfAnIdleStream) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-gate", "idle");
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage reply;
  ASSERT_TRUE(stream->Write(MessageOf(1)));
  ASSERT_TRUE(stream->Read(&reply));
  context.TryCancel();
  EXPECT_TRUE(server().AwaitCancels("idle", 1));
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
}

TEST_P(StreamTest, CancelBeforeTheStartOfEachKind) {
  const TestService::Stub stub = NewStub();
  PatientContext contexts[3];
  for (PatientContext& context : contexts) context.TryCancel();
  StreamSummary summary;
  EchoMessage message;
  const auto writer = stub.ClientStream(&contexts[0], &summary);
  EXPECT_FALSE(writer->Write(message));
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kCancelled));
  const auto reader = stub.ServerStream(&contexts[1], StreamRequest());
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kCancelled));
  const auto both = stub.BidirectionalStream(&contexts[2]);
  EXPECT_FALSE(both->Read(&message));
  EXPECT_TRUE(HasCode(both->Finish(), absl::StatusCode::kCancelled));
}

TEST_P(StreamTest, CancelOfAServerStreamingCallAndOfABlockedWrite) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-gate", "reading");
  StreamRequest request;
  request.set_count(100000);
  request.set_size(1000);
  const auto reader = stub.ServerStream(&context, request);
  EchoMessage message;
  ASSERT_TRUE(reader->Read(&message));
  context.TryCancel();
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kCancelled));
  EXPECT_TRUE(server().AwaitCancels("reading", 1)) << "its handler had no window left";

  PatientContext blocked_context;
  blocked_context.AddMetadata("gate", "blocked");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&blocked_context, &summary);
  std::thread canceller([&] {
    EXPECT_TRUE(server().AwaitArrivals("blocked", 1));
    blocked_context.TryCancel();
  });
  while (writer->Write(MessageOf(1, 10000))) {
  }
  canceller.join();
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kCancelled));
}

// With small messages the window lasts for long: a writer looks now and then all the same.
TEST_P(StreamTest, SlowWriterLearnsOfTheEnd) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-after", "0");
  context.AddMetadata("code", "9");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  int written = 0;
  // What is waited for is the time itself: a tick of the clock by which a writer looks.
  for (; written < 100 && writer->Write(MessageOf(written)); written++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LT(written, 100);
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kFailedPrecondition));
}

// gRPC allows it, and so it must not break: what is not read by then is dropped.
TEST_P(StreamTest, FinishBesideARead) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < Scaled(200); round++) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    std::thread reader([&] {
      EchoMessage message;
      for (int read = 0; stream->Read(&message); read++) EXPECT_TRUE(IsMessage(message, read));
    });
    for (int i = 0; i < 10; i++) EXPECT_TRUE(stream->Write(MessageOf(i)));
    const absl::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status;
    reader.join();
  }
}

TEST_P(StreamTest, DestroyedStreamIsCancelled) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-gate", "destroyed");
  {
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage reply;
    ASSERT_TRUE(stream->Write(MessageOf(1)));
    ASSERT_TRUE(stream->Read(&reply));
  }
  EXPECT_TRUE(server().AwaitCancels("destroyed", 1));
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(StreamTest, timeout_on_sleeping_server) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(1));
  const auto stream = stub.BidirectionalStream(&context);
  (void)stream->Write(MessageOf(1, 27182));
  EchoMessage reply;
  while (stream->Read(&reply)) {
  }
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kDeadlineExceeded));
}

TEST_P(StreamTest, DeadlineWhileWriting) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(50));
  context.AddMetadata("gate", "deadline");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  while (writer->Write(MessageOf(1, 10000))) {
  }
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(server().AwaitCancels("deadline", 1));
}

// -- Flow control, and many at once
// ---------------------------------------------------------------------------------------------------------

uint64_t ProgressOf(const TestService::Stub& stub, const std::string& name) {
  PatientContext context;
  StreamRequest request;
  request.set_name(name);
  StreamSummary summary;
  EXPECT_TRUE(stub.Progress(&context, request, &summary).ok());
  return summary.messages();
}

// The server writes as much as the window allows, and no more; other calls go on; then all arrives.
TEST_P(StreamTest, slow_consumer) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamRequest request;
  request.set_name("stalled");
  request.set_count(2000);
  request.set_size(1000);
  const auto reader = stub.ServerStream(&context, request);
  EchoMessage message;
  ASSERT_TRUE(reader->Read(&message));

  const size_t cost = MessageOf(1, 1000).ByteSizeLong() + 64;
  const uint64_t window = ((256u << 10) + cost - 1) / cost;
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (ProgressOf(stub, "stalled") < window && absl::Now() < give_up) {
  }
  const uint64_t written = ProgressOf(stub, "stalled");
  EXPECT_GE(written, window);
  EXPECT_LE(written, window + 1) << "one was taken";
  for (int i = 0; i < 200; i++) EXPECT_TRUE(Echoes(stub, i));
  EXPECT_EQ(ProgressOf(stub, "stalled"), written) << "a stalled stream holds its window, and not more";

  for (int i = 1; i < 2000; i++) {
    ASSERT_TRUE(reader->Read(&message)) << i;
    ASSERT_TRUE(IsMessage(message, i, 1000));
  }
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(reader->Finish().ok());
}

// Each thread has a stream, and makes unary calls between its messages, all on one channel.
TEST_P(StreamTest, ManyStreamsOnOneChannel) {
  const TestService::Stub stub = NewStub();
  constexpr int kThreads = 8;
  const int count = Scaled(300);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; thread++) {
    threads.emplace_back([&, thread] {
      PatientContext context;
      const auto stream = stub.BidirectionalStream(&context);
      EchoMessage reply;
      for (int i = 0; i < count; i++) {
        ASSERT_TRUE(stream->Write(MessageOf(i, static_cast<size_t>(thread * 100))));
        ASSERT_TRUE(stream->Read(&reply));
        ASSERT_TRUE(IsMessage(reply, i, static_cast<size_t>(thread * 100)));
        if (i % 10 == 0) {
          ASSERT_TRUE(Echoes(stub, i));
        }
      }
      EXPECT_TRUE(stream->WritesDone());
      EXPECT_FALSE(stream->Read(&reply));
      EXPECT_TRUE(stream->Finish().ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// One thread holds many streams open: each waiting handler has a thread, and none is in another's way.
TEST_P(StreamTest, ManyOpenStreamsOfOneThread) {
  const TestService::Stub stub = NewStub();
  constexpr size_t kStreams = 40;
  std::vector<std::unique_ptr<PatientContext>> contexts;
  std::vector<std::unique_ptr<sidecall::ClientReaderWriter<EchoMessage, EchoMessage>>> streams;
  for (size_t i = 0; i < kStreams; i++) {
    contexts.push_back(std::make_unique<PatientContext>());
    streams.push_back(stub.BidirectionalStream(contexts.back().get()));
  }
  EchoMessage reply;
  for (int round = 0; round < 5; round++) {
    for (const auto& stream : streams) ASSERT_TRUE(stream->Write(MessageOf(round)));
    for (const auto& stream : streams) {
      ASSERT_TRUE(stream->Read(&reply));
      EXPECT_TRUE(IsMessage(reply, round));
    }
    EXPECT_TRUE(Echoes(stub, round));
  }
  for (const auto& stream : streams) EXPECT_TRUE(stream->Finish().ok());
}

// The end and its metadata are one: who is woken by it finds all of it, whoever has read it.
TEST_P(StreamTest, InitialMetadataIsWholeWhenTheStreamEnds) {
  const TestService::Stub stub = NewStub();
  PatientContext idle_context;
  const auto idle = stub.BidirectionalStream(&idle_context);
  EchoMessage message;
  ASSERT_TRUE(idle->Write(message));
  ASSERT_TRUE(idle->Read(&message));
  std::thread reader([&] { EXPECT_FALSE(idle->Read(&message)); });  // Reads for all.
  for (int i = 0; i < Scaled(300); i++) {
    PatientContext context;
    constexpr size_t kEntries = 2000;
    for (size_t entry = 0; entry < kEntries; entry++) context.AddMetadata("initial-k", "v");
    const auto stream = stub.ServerStream(&context, StreamRequest());
    stream->WaitForInitialMetadata();
    EXPECT_EQ(context.server_initial_metadata().size(), kEntries);
    EXPECT_TRUE(stream->Finish().ok());
  }
  idle_context.TryCancel();
  reader.join();
  EXPECT_TRUE(HasCode(idle->Finish(), absl::StatusCode::kCancelled));
}

// More than the smallest ring holds, from several threads, while another one reads for all: whoever waits for
// room is woken, whoever makes it.
TEST_P(StreamTest, WritersThatWaitForRoom) {
  const TestService::Stub stub = NewStub();
  PatientContext idle_context;
  const auto idle = stub.BidirectionalStream(&idle_context);
  EchoMessage message;
  ASSERT_TRUE(idle->Write(message));
  ASSERT_TRUE(idle->Read(&message));
  std::thread reads_for_all([&] { EXPECT_FALSE(idle->Read(&message)); });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; thread++) {
    threads.emplace_back([&] {
      for (int round = 0; round < Scaled(10); round++) {
        PatientContext context;
        const auto stream = stub.BidirectionalStream(&context);
        std::thread reader([&] {
          EchoMessage ignored;
          while (stream->Read(&ignored)) {
          }
        });
        for (int i = 0; i < 40; i++) {
          EXPECT_TRUE(stream->Write(MessageOf(i), sidecall::WriteOptions().set_buffer_hint()));
          EXPECT_TRUE(stream->Write(MessageOf(i, 20000)));
        }
        EXPECT_TRUE(stream->WritesDone());
        reader.join();
        const absl::Status status = stream->Finish();
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  idle_context.TryCancel();
  reads_for_all.join();
  EXPECT_TRUE(HasCode(idle->Finish(), absl::StatusCode::kCancelled));
}

class StreamThreadsTest : public CallTest {};
SIDECALL_OVER_ALL_TRANSPORTS(StreamThreadsTest);

// Handlers that wait hold all threads: a further call is told so, and theirs go on.
TEST_P(StreamThreadsTest, CallThatNoThreadIsLeftFor) {
  sidecall::ServerOptions options;
  options.max_handler_threads = 2;
  StartServer(options);
  const TestService::Stub stub = NewStub();
  PatientContext contexts[2];
  std::vector<std::unique_ptr<sidecall::ClientReaderWriter<EchoMessage, EchoMessage>>> streams;
  EchoMessage message;
  for (PatientContext& context : contexts) {
    streams.push_back(stub.BidirectionalStream(&context));
    ASSERT_TRUE(streams.back()->Write(message));
    ASSERT_TRUE(streams.back()->Read(&message));
  }
  PatientContext context;
  const absl::Status refused = NewStub().Echo(&context, message, &message);
  EXPECT_TRUE(HasCode(refused, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(refused, "max_handler_threads"));
  EXPECT_TRUE(sidecall::IsNotSent(refused));
  for (const auto& stream : streams) {
    EXPECT_TRUE(stream->Write(message));
    EXPECT_TRUE(stream->Read(&message));
    EXPECT_TRUE(stream->Finish().ok());
  }
  EXPECT_TRUE(Echoes(stub, 1)) << "now there are threads";
}

// One thread of a handler reads, another writes; the one that the server gave it waits for both.
class TwoThreadsService final : public TestService::Service {
  absl::Status BidirectionalStream(sidecall::ServerContext*,
                                   sidecall::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override {
    int64_t read = 0;
    std::thread reader([&] {
      for (EchoMessage message; stream->Read(&message);) read++;
    });
    std::thread writer([&] {
      for (int i = 0; i < 100; i++) EXPECT_TRUE(stream->Write(MessageOf(i, 10000)));
    });
    reader.join();
    writer.join();
    stream->Write(MessageOf(read));
    return absl::OkStatus();
  }
};

TEST(StreamHandlerTest, HasThreadsOfItsOwn) {
  for (const size_t threads : {1, 10}) {
    const TempDir directory;
    const std::string address = "shm:" + directory.path() + "/server";
    TwoThreadsService service;
    sidecall::ServerOptions options;
    options.max_handler_threads = threads;
    auto server = sidecall::ServerBuilder()
                      .AddAddress(address)
                      .RegisterService(&service)
                      .SetOptions(options)
                      .BuildAndStart();
    ASSERT_TRUE(server.ok()) << server.status();
    const TestService::Stub stub(sidecall::CreateChannel(address));
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    for (int i = 0; i < 50; i++) EXPECT_TRUE(stream->Write(MessageOf(i)));
    EXPECT_TRUE(stream->WritesDone());
    EchoMessage message;
    for (int i = 0; i < 100; i++) {
      ASSERT_TRUE(stream->Read(&message));
      EXPECT_TRUE(IsMessage(message, i, 10000));
    }
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_EQ(message.number(), 50) << "all were read";
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_TRUE(stream->Finish().ok());
  }
}

}  // namespace
}  // namespace conformance
