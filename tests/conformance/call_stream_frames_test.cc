// Streams by hand, frame by frame over a Unix socket: windows that are kept, and what no client should send.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "call_frames_fixture.h"

namespace conformance {
namespace {

class StreamFramesTest : public FramesTest {};
INSTANTIATE_TEST_SUITE_P(Unix, StreamFramesTest, testing::Values(Place::kSameProcess, Place::kOtherProcess),
                         [](const auto& info) {
                           return info.param == Place::kSameProcess ? "SameProcess" : "TwoProcesses";
                         });

TEST_P(StreamFramesTest, StreamByHand) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello(Streaming()));
  peer.SendBytes(StreamStart(1 << 16));
  for (int i = 0; i < 3; i++) {
    peer.SendBytes(FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, "\x10\x07"));
    const auto frame = peer.ReceiveFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->header.type, FrameType::kMessage);
    EXPECT_EQ(frame->header.stream, 1u << 16);
    EXPECT_EQ(frame->body, "\x10\x07");
  }
  peer.SendBytes(FrameOf(FrameType::kMessage, FrameFlags::kHalfClose, 1 << 16, ""));
  const auto end = peer.ReceiveFrame();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.type, FrameType::kEnd);
  EXPECT_EQ(end->header.code, 0u);
}

TEST_P(StreamFramesTest, StreamWithoutWindowIsRefused) {
  sidecall::Hello hello = RawPeer::Greeting();
  hello.initial_window = 0;
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello(hello));
  peer.SendBytes(StreamStart(1 << 16));
  const auto end = peer.ReceiveFrame();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.code, static_cast<uint32_t>(absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Serves(peer, 2 << 16));
}

// A client that takes two messages and then no more gets two, until it gives window.
TEST_P(StreamFramesTest, ServerKeepsToTheWindow) {
  sidecall::Hello hello = Streaming();
  hello.initial_window = 100;  // A message of 2 bytes costs 66.
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello(hello));
  peer.SendBytes(StreamStart(1 << 16));
  for (int i = 0; i < 4; i++) {
    peer.SendBytes(FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, "\x10\x07"));
  }
  for (int i = 0; i < 2; i++) {
    const auto frame = peer.ReceiveFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->header.type, FrameType::kMessage);
  }
  EXPECT_TRUE(Serves(peer, 1 << 16 | 1)) << "and nothing came in between";
  peer.SendBytes(WindowOf(1 << 16, 33));  // 100 - 2 * 66 + 33 > 0
  const auto frame = peer.ReceiveFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->header.type, FrameType::kMessage);
  EXPECT_TRUE(Serves(peer, 2 << 16 | 1));
  peer.SendBytes(FrameOf(FrameType::kCancel, 0, 1 << 16, ""));
  const auto end = peer.ReceiveFrame();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.type, FrameType::kEnd);
}

TEST_P(StreamFramesTest, MessagesBeyondTheWindow) {
  // The handler waits at a gate, and takes none.
  std::string bytes = StreamStart(1 << 16, "gate", "never");
  const std::string message =
      FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, std::string(64 << 10, '\0'));
  for (int i = 0; i < 5; i++) bytes += message;
  EXPECT_TRUE(Ends(bytes, Streaming()));
}

TEST_P(StreamFramesTest, EmptyMessagesBeyondTheWindow) {
  std::string bytes = StreamStart(1 << 16, "gate", "never");
  const std::string message = FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, "");
  for (int i = 0; i < (256 << 10) / 64 + 1; i++) bytes += message;
  EXPECT_TRUE(Ends(bytes, Streaming()));
}

TEST_P(StreamFramesTest, WindowBeyondWhatThereIs) {
  EXPECT_TRUE(Ends(StreamStart(1 << 16) + WindowOf(1 << 16, 1u << 31), Streaming()));
  EXPECT_TRUE(
      Ends(StreamStart(1 << 16) + WindowOf(1 << 16, std::numeric_limits<uint64_t>::max()), Streaming()));
  EXPECT_TRUE(
      Ends(StreamStart(1 << 16) + WindowOf(1 << 16, 1u << 30) + WindowOf(1 << 16, 1u << 30), Streaming()));
}

TEST_P(StreamFramesTest, MessageBehindTheLast) {
  const std::string last =
      FrameOf(FrameType::kMessage, FrameFlags::kMessage | FrameFlags::kHalfClose, 1 << 16, "");
  EXPECT_TRUE(Ends(StreamStart(1 << 16, "end-gate", "never") + last + last, Streaming()));
  const std::string bytes_of_no_section = FrameOf(FrameType::kMessage, 0, 1 << 16, "x");
  EXPECT_TRUE(Ends(StreamStart(1 << 16) + bytes_of_no_section, Streaming()));
}

// The message in a START costs no window: what the window allows may follow, whether or not it was there.
TEST_P(StreamFramesTest, FirstMessageInStartCostsNoWindow) {
  const std::string payload(100000, 'x');
  EchoMessage message;
  message.set_payload(payload);
  const std::string bytes = message.SerializeAsString();
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello(Streaming()));
  std::string head;
  sidecall::AppendMethodName(head, "conformance.TestService/ClientStream");
  sidecall::Metadata metadata;
  metadata.Add("gate", "first");
  sidecall::AppendMetadata(head, metadata);
  constexpr uint8_t kFlags = FrameFlags::kMethodName | FrameFlags::kMetadata | FrameFlags::kMessage;
  peer.SendBytes(FrameOf(FrameType::kStart, kFlags, 1 << 16, head + bytes));
  for (const int half_close : {0, 0, +FrameFlags::kHalfClose}) {
    const auto flags = static_cast<uint8_t>(FrameFlags::kMessage | half_close);
    peer.SendBytes(FrameOf(FrameType::kMessage, flags, 1 << 16, bytes));
  }
  EXPECT_TRUE(Serves(peer, 1 << 16 | 1)) << "all of it was read, and nothing wrong with it";
  server_->OpenGate("first");
  for (;;) {
    const auto frame = peer.ReceiveFrame();
    ASSERT_TRUE(frame.has_value());
    if (frame->header.type == FrameType::kWindow) continue;
    EXPECT_EQ(frame->header.type, FrameType::kEnd);
    EXPECT_EQ(frame->header.code, 0u);
    break;
  }
}

TEST_P(StreamFramesTest, WindowInAHelloThatCannotBe) {
  sidecall::Hello hello = RawPeer::Greeting();
  hello.initial_window = 1u << 31;
  RawPeer peer(path());
  (void)peer.SayHello(hello);
  EXPECT_TRUE(peer.HangsUp());
}

// A handler that waits for a message does not wait for one of long ago.
TEST_P(StreamFramesTest, DeadlineBeforeAllTime) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello(Streaming()));
  constexpr uint64_t kDeadline = uint64_t{1} << 63;
  std::string start = StreamStart(1 << 16);
  start.replace(offsetof(FrameHeader, argument), sizeof kDeadline, reinterpret_cast<const char*>(&kDeadline),
                sizeof kDeadline);
  peer.SendBytes(start);
  const auto end = peer.ReceiveFrame();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.type, FrameType::kEnd);
  EXPECT_EQ(end->header.code, static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
}

// A peer that gives all the window there is and reads nothing: the handler is held up, not the server's
// memory.
TEST_P(StreamFramesTest, HugeWindowAndNobodyReads) {
  sidecall::Hello hello = RawPeer::Greeting();
  hello.initial_window = std::numeric_limits<int32_t>::max();
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello(hello));
  StreamRequest request;
  request.set_count(1000000);
  request.set_size(1000);
  request.set_name("hog");
  peer.SendBytes(
      RawPeer::Start(1 << 16, "conformance.TestService/ServerStream", request.SerializeAsString()));
  // It stops: the same count, many calls in a row.
  uint64_t written = 0;
  for (int same = 0; same < 2000; same++) {
    StreamSummary summary;
    PatientContext context;
    ASSERT_TRUE(stub_->Progress(&context, request, &summary).ok());
    if (summary.messages() != written) same = 0;
    written = summary.messages();
    ASSERT_LT(written, 20000u) << "20 MB that nobody reads";
  }
}

// Its stream fails, and the connection lives on.
TEST_P(StreamFramesTest, MessageThatCannotBeParsed) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello(Streaming()));
  peer.SendBytes(StreamStart(1 << 16));
  peer.SendBytes(FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, "\xff\xff"));
  const auto end = peer.ReceiveFrame();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.type, FrameType::kEnd);
  EXPECT_EQ(end->header.code, static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Serves(peer, 2 << 16));
}

}  // namespace
}  // namespace conformance
