// Messages, handlers and clients that break what is theirs, and nothing else.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fault_fixture.h"
#include "frame_peer.h"

namespace fault {
namespace {

using conformance::HasCode;
using conformance::Says;

constexpr auto kInvalid = static_cast<uint32_t>(absl::StatusCode::kInvalidArgument);

// An EchoMessage in an EchoMessage in ..., `depth` of them.
std::string Nested(int depth) {
  constexpr char kNestedField = 0x1a;
  // From the innermost out: what each one's length is.
  std::vector<std::string> heads;
  size_t size = 0;
  for (int i = 0; i < depth; i++) {
    std::string head(1, kNestedField);
    size_t left = size;
    for (; left >= 0x80; left >>= 7) head += static_cast<char>(0x80 | (left & 0x7f));
    head += static_cast<char>(left);
    size += head.size();
    heads.push_back(std::move(head));
  }
  std::string bytes;
  for (auto head = heads.rbegin(); head != heads.rend(); ++head) bytes += *head;
  return bytes;
}

TEST_P(FaultTest, Row17_MessagesThatCannotBeParsed) {
  Begin();
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  peer.Send(StartFrame(1 << 16 | 1, kSleep, "\n\x06opened"));
  EXPECT_TRUE(server().AwaitArrivals("opened", 1));
  uint32_t generation = 1;
  for (const std::string& message :
       {std::string("\xff"), std::string("\x0a\xff\xff\xff\xff\x0f"), std::string("\x0a\x7fshort"),
        std::string("\x07"), std::string("\x10")}) {
    peer.Send(StartFrame(generation++ << 16, kEcho, message));
    const auto end = peer.Next(FrameType::kEnd);
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->header.code, kInvalid);
    EXPECT_TRUE(peer.Serves(generation++ << 16));
    // One of a stream ends that stream.
    peer.Send(StreamStart(generation << 16));
    peer.Send(MessageFrame(generation << 16, message));
    const auto stream_end = peer.Next(FrameType::kEnd);
    ASSERT_TRUE(stream_end.has_value());
    EXPECT_EQ(stream_end->header.stream, generation++ << 16);
    EXPECT_EQ(stream_end->header.code, kInvalid);
  }
  // The call beside them has not noticed.
  server().OpenGate("opened");
  const auto end = peer.Next(FrameType::kEnd);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.stream, 1u << 16 | 1);
  EXPECT_EQ(end->header.code, 0u);
}

TEST_P(FaultTest, Row18_DeepNesting) {
  Begin();
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  const std::string shallow = Nested(50);
  peer.Send(StartFrame(1 << 16, kEcho, shallow));
  const auto echoed = peer.Next(FrameType::kEnd);
  ASSERT_TRUE(echoed.has_value());
  EXPECT_EQ(echoed->header.code, 0u);
  EXPECT_EQ(echoed->body, shallow);
  uint32_t generation = 2;
  // Messages, and groups of a field that nobody knows. Of a size that every transport carries in one frame.
  for (const std::string& deep : {Nested(200), Nested(2000), std::string(7000, '\x0b')}) {
    peer.Send(StartFrame(generation++ << 16, kEcho, deep));
    const auto end = peer.Next(FrameType::kEnd);
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->header.code, kInvalid);
  }
  EXPECT_TRUE(peer.Serves(generation << 16));
  // Deeper than any stack, from a client that is one of ours: what it is made of is deep, not its parser's
  // stack.
  EchoMessage message;
  EchoMessage* innermost = &message;
  for (int depth = 0; depth < 1000; depth++) innermost = innermost->mutable_nested();
  const TestService::Stub stub = NewStub();
  PatientContext context;
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.Echo(&context, message, &reply), absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Echo(stub, 1).ok());
}

TEST_P(FaultTest, Row59_HandlerThrows) {
  Begin();
  const TestService::Stub stub = NewStub();
  for (int call = 0; call < 20; call++) {
    const absl::Status status = Call([&] {
      PatientContext context;
      conformance::ThrowRequest request;
      request.set_standard(call % 2 == 0);
      request.set_what("on purpose");
      EmptyMessage reply;
      return stub.Throw(&context, request, &reply);
    });
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnknown));
    EXPECT_TRUE(Says(status, call % 2 == 0 ? "on purpose" : "no std::exception"));
    const absl::Status streamed = Call([&] {
      PatientContext stream_context;
      stream_context.AddMetadata("throw", "");
      const auto stream = stub.BidirectionalStream(&stream_context);
      EchoMessage message;
      stream->Write(message);
      EXPECT_FALSE(stream->Read(&message));
      return stream->Finish();
    });
    EXPECT_TRUE(HasCode(streamed, absl::StatusCode::kUnknown));
  }
}

// Streams go before they are finished, contexts after their stub, stubs and channels before their streams
// end.
TEST_P(FaultTest, Row59_ClientObjectsGoInAnyOrder) {
  Begin();
  for (int round = 0; round < Scaled(50); round++) {
    auto stub = std::make_unique<TestService::Stub>(NewStub());
    auto context = std::make_unique<PatientContext>();
    EchoMessage message;
    conformance::StreamSummary summary;
    {
      // Neither half-closed nor finished, at each stage of a stream's life.
      const auto stream = stub->BidirectionalStream(context.get());
      if (round % 4 > 0) stream->Write(message);
      if (round % 4 > 1) stream->Read(&message);
      if (round % 4 > 2) stream->WritesDone();
    }
    PatientContext writers_context;
    auto writer = stub->ClientStream(&writers_context, &summary);
    writer->Write(message);
    auto readers_context = std::make_unique<PatientContext>();
    conformance::StreamRequest request;
    request.set_count(1000);
    auto reader = stub->ServerStream(readers_context.get(), request);
    reader->Read(&message);
    if (round % 2 == 0) {
      stub.reset();  // The streams hold what they need of the channel.
      writer.reset();
      reader.reset();
    } else {
      reader.reset();
      stub.reset();
      EXPECT_TRUE(writer->Write(message));
      EXPECT_TRUE(Call([&] { return writer->Finish(); }).ok());
      writer.reset();
    }
    readers_context.reset();
    context.reset();
  }
}

}  // namespace
}  // namespace fault
