// What is written to, read from and asked of a stream that is closed, by this side or by the other.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "call_stream_fixture.h"

namespace conformance {
namespace {

class StreamCloseTest : public StreamTest {};
SIDECALL_OVER_ALL_TRANSPORTS(StreamCloseTest);

TEST_P(StreamCloseTest, WritesAfterWritesDone) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  EXPECT_TRUE(writer->Write(MessageOf(1)));
  EXPECT_TRUE(writer->WritesDone());
  EXPECT_FALSE(writer->Write(MessageOf(2)));
  EXPECT_FALSE(writer->WriteLast(MessageOf(3), sidecall::WriteOptions()));
  EXPECT_FALSE(writer->WritesDone());
  const absl::Status status = writer->Finish();
  EXPECT_TRUE(status.ok()) << "the call goes on: " << status;
  EXPECT_EQ(summary.messages(), 1u);
}

// The first Finish has given the status, and nothing more is to be had.
TEST_P(StreamCloseTest, EverythingAfterFinish) {
  const TestService::Stub stub = NewStub();
  EchoMessage message;
  PatientContext writer_context;
  StreamSummary summary;
  const auto writer = stub.ClientStream(&writer_context, &summary);
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_FALSE(writer->Write(message));
  EXPECT_FALSE(writer->WritesDone());
  PatientContext reader_context;
  const auto reader = stub.ServerStream(&reader_context, StreamRequest());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_FALSE(reader->Read(&message));
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_FALSE(stream->Write(message));
  EXPECT_FALSE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&message));
  for (const absl::Status& again : {writer->Finish(), reader->Finish(), stream->Finish()}) {
    EXPECT_TRUE(HasCode(again, absl::StatusCode::kFailedPrecondition));
    EXPECT_TRUE(Says(again, "Finish was called before"));
  }
  EXPECT_EQ(summary.messages(), 0u);
  EXPECT_TRUE(Echoes(stub, 1));
}

// The server ends a bidirectional call of which the client writes on: what it sent before arrives, then its
// status, whatever the client has written since.
TEST_P(StreamCloseTest, ServerFinishesEarly) {
  const TestService::Stub stub = NewStub();
  for (const char* code : {"0", "9"}) {
    PatientContext context;
    context.AddMetadata("end-after", "2");
    context.AddMetadata("code", code);
    const auto stream = stub.BidirectionalStream(&context);
    std::thread writer([&] {
      int written = 0;
      // Refused at the latest when the window is used up.
      while (written < 100000 && stream->Write(MessageOf(written, 1000))) written++;
      EXPECT_GE(written, 2);
      EXPECT_LT(written, 100000);
      EXPECT_FALSE(stream->Write(MessageOf(0))) << "once refused, always";
      EXPECT_FALSE(stream->WritesDone());
    });
    EchoMessage reply;
    int read = 0;
    for (; stream->Read(&reply); read++) EXPECT_TRUE(IsMessage(reply, read, 1000));
    EXPECT_EQ(read, 2);
    writer.join();
    const auto expected = static_cast<absl::StatusCode>(std::stoi(code));
    const absl::Status status = stream->Finish();
    EXPECT_TRUE(HasCode(status, expected));
    EXPECT_TRUE(status.ok() || Says(status, "as the client wished"));
    EXPECT_TRUE(Echoes(stub, 1));
  }
}

// -- On the server's side
// -----------------------------------------------------------------------------------------------------

class HandlerCloseTest : public CallTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(HandlerCloseTest, InOneProcess);

// Its handlers write after their last message.
class WritesOnService final : public TestService::Service {
  absl::Status ServerStream(sidecall::ServerContext*, const StreamRequest*,
                            sidecall::ServerWriter<EchoMessage>* writer) override {
    return WriteOn(*writer);
  }
  absl::Status BidirectionalStream(sidecall::ServerContext*,
                                   sidecall::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override {
    return WriteOn(*stream);
  }
  template <typename Writer>
  static absl::Status WriteOn(Writer& writer) {
    EXPECT_TRUE(writer.Write(MessageOf(0)));
    EXPECT_TRUE(writer.WriteLast(MessageOf(1), sidecall::WriteOptions()));
    EXPECT_FALSE(writer.Write(MessageOf(2)));
    EXPECT_FALSE(writer.WriteLast(MessageOf(3), sidecall::WriteOptions()));
    return absl::OkStatus();
  }
};

template <typename Stream>
void ExpectTwoMessages(Stream& stream) {
  EchoMessage message;
  for (int i = 0; i < 2; i++) {
    ASSERT_TRUE(stream.Read(&message)) << i;
    EXPECT_TRUE(IsMessage(message, i));
  }
  EXPECT_FALSE(stream.Read(&message));
  const absl::Status status = stream.Finish();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(HandlerCloseTest, WritesAfterTheLast) {
  WritesOnService service;
  auto server = sidecall::ServerBuilder().AddAddress(address()).RegisterService(&service).BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  const TestService::Stub stub = NewStub();
  PatientContext reader_context;
  ExpectTwoMessages(*stub.ServerStream(&reader_context, StreamRequest()));
  PatientContext context;
  ExpectTwoMessages(*stub.BidirectionalStream(&context));
}

// What a client writes before it knows that its stream has ended is no flood, however often it happens.
TEST_P(StreamCloseTest, WritersThatTheServerEndsAgainAndAgain) {
  const TestService::Stub stub = NewStub();
  for (int call = 0; call < 60; call++) {
    PatientContext context;
    context.AddMetadata("end-after", "1");
    context.AddMetadata("code", "16");
    StreamSummary summary;
    const auto writer = stub.ClientStream(&context, &summary);
    while (writer->Write(EchoMessage())) {
    }
    ASSERT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kUnauthenticated)) << "call " << call;
  }
}

}  // namespace
}  // namespace conformance
