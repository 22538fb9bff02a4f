// Streaming calls: metadata, statuses, limits, and many messages.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "call_stream_fixture.h"

namespace conformance {
namespace {

class StreamCallTest : public StreamTest {};
SIDECALL_OVER_ALL_TRANSPORTS(StreamCallTest);

TEST_P(StreamCallTest, InitialMetadataBeforeAnyMessage) {
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
TEST_P(StreamCallTest, LargeInitialMetadata) {
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

// Of each kind of stream; what was sent before an error arrives.
TEST_P(StreamCallTest, EveryCode) {
  const TestService::Stub stub = NewStub();
  for (int code = 0; code <= 16; code++) {
    const absl::Status expected(static_cast<absl::StatusCode>(code), "as the client wished");
    PatientContext contexts[3];
    for (PatientContext& context : contexts) context.AddMetadata("code", std::to_string(code));
    StreamSummary summary;
    const auto writer = stub.ClientStream(&contexts[0], &summary);
    EXPECT_TRUE(writer->Write(MessageOf(1)));
    EXPECT_EQ(writer->Finish(), expected);
    EXPECT_EQ(summary.messages(), code == 0 ? 1u : 0u) << "a reply came beside an error";

    EchoMessage message;
    StreamRequest request;
    request.set_count(1);
    const auto reader = stub.ServerStream(&contexts[1], request);
    EXPECT_TRUE(reader->Read(&message));
    EXPECT_FALSE(reader->Read(&message));
    EXPECT_EQ(reader->Finish(), expected);

    const auto stream = stub.BidirectionalStream(&contexts[2]);
    EXPECT_TRUE(stream->Write(MessageOf(1)));
    EXPECT_TRUE(stream->Read(&message));
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_EQ(stream->Finish(), expected);
  }
}

TEST_P(StreamCallTest, TrailersOnlyOnError) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("code", "5");
  context.AddMetadata("end-after", "0");
  context.AddMetadata("trailing-why", "because");
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kNotFound));
  EXPECT_EQ(context.server_trailing_metadata().Find("trailing-why"), "because");
  EXPECT_TRUE(context.server_initial_metadata().empty());
}

TEST_P(StreamCallTest, HandlerThrows) {
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

TEST_P(StreamCallTest, UnimplementedStream) {
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

TEST_P(StreamCallTest, ManyMessagesToTheServer) {
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

TEST_P(StreamCallTest, ManyMessagesToTheClient) {
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

TEST_P(StreamCallTest, SimultaneousReadsAndWrites) {
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
TEST_P(StreamCallTest, LargeMessagesEachWay) {
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

TEST_P(StreamCallTest, MessageOverTheServersLimit) {
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

TEST_P(StreamCallTest, MessageOverTheClientsLimit) {
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

TEST_P(StreamCallTest, WritesAfterTheLastAreRefused) {
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

TEST_P(StreamCallTest, ServerFinishesEarly) {
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

TEST_P(StreamCallTest, FinishWithoutReading) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("code", "5");
  StreamRequest request;
  request.set_count(2000);
  request.set_size(1000);
  const auto reader = stub.ServerStream(&context, request);
  EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kNotFound)) << "the server writes all";
}

}  // namespace
}  // namespace conformance
