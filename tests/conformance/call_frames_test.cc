// Clients that send what no client should, byte by byte over a Unix socket: it costs them their own
// connection only.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "call_fixture.h"
#include "call_raw_peer.h"

namespace conformance {
namespace {

using sidecall::FrameFlags;
using sidecall::FrameHeader;
using sidecall::FrameType;

constexpr char kEcho[] = "conformance.TestService/Echo";
constexpr char kSleep[] = "conformance.TestService/Sleep";

class FramesTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    auto server = ServerUnderTest::Start(GetParam(), {"unix:" + path()}, {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = std::make_unique<TestService::Stub>(sidecall::CreateChannel("unix:" + path()));
    EXPECT_TRUE(Echoes(*stub_, 1));
  }
  void TearDown() override {
    EXPECT_TRUE(Echoes(*stub_, 2)) << "the connection that was there lives on";
    EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel("unix:" + path())), 3))
        << "so does the server";
  }
  std::string path() const { return directory_.path() + "/server"; }

  // The server hangs up on `bytes`, sent after the hello.
  testing::AssertionResult Ends(const std::string& bytes,
                                const sidecall::Hello& hello = RawPeer::Greeting()) const {
    RawPeer peer(path());
    if (!peer.connected() || !peer.SayHello(hello)) return testing::AssertionFailure() << "no hello";
    peer.SendBytes(bytes);
    if (!peer.HangsUp()) return testing::AssertionFailure() << "the server does not hang up";
    return testing::AssertionSuccess();
  }
  // A hello that takes streams.
  static sidecall::Hello Streaming() {
    sidecall::Hello hello = RawPeer::Greeting();
    hello.initial_window = 1 << 16;
    return hello;
  }
  // The START of a bidirectional call, with an entry of metadata where `key` is not empty.
  static std::string StreamStart(uint32_t stream, const std::string& key = "",
                                 const std::string& value = "") {
    std::string head;
    sidecall::AppendMethodName(head, "conformance.TestService/BidirectionalStream");
    uint8_t flags = FrameFlags::kMethodName;
    if (!key.empty()) {
      sidecall::Metadata metadata;
      metadata.Add(key, value);
      flags |= FrameFlags::kMetadata;
      sidecall::AppendMetadata(head, metadata);
    }
    return FrameOf(FrameType::kStart, flags, stream, head);
  }
  static std::string WindowOf(uint32_t stream, uint64_t bytes) {
    FrameHeader header;
    header.type = FrameType::kWindow;
    header.lane = sidecall::Lane::kControl;
    header.stream = stream;
    header.argument = bytes;
    return RawPeer::Bytes(header, "");
  }
  // A call by hand works.
  static testing::AssertionResult Serves(RawPeer& peer, uint32_t stream) {
    peer.SendBytes(RawPeer::Start(stream, kEcho, "\x10\x07"));
    const auto frame = peer.ReceiveFrame();
    if (!frame.has_value()) return testing::AssertionFailure() << "no answer";
    if (frame->header.type != FrameType::kEnd || frame->header.stream != stream || frame->header.code != 0) {
      return testing::AssertionFailure() << "another answer, code " << frame->header.code;
    }
    if (frame->body != "\x10\x07") return testing::AssertionFailure() << "another reply";
    return testing::AssertionSuccess();
  }
  static std::string FrameOf(FrameType type, uint8_t flags, uint32_t stream, std::string_view body) {
    FrameHeader header;
    header.type = type;
    header.flags = flags;
    const bool control = type == FrameType::kHello || type >= FrameType::kCancel;
    header.lane = control ? sidecall::Lane::kControl : sidecall::Lane::kData;
    header.stream = stream;
    return RawPeer::Bytes(header, body);
  }

  TempDir directory_;
  std::unique_ptr<ServerUnderTest> server_;
  std::unique_ptr<TestService::Stub> stub_;
};
INSTANTIATE_TEST_SUITE_P(Unix, FramesTest, testing::Values(Place::kSameProcess, Place::kOtherProcess),
                         [](const auto& info) {
                           return info.param == Place::kSameProcess ? "SameProcess" : "TwoProcesses";
                         });

TEST_P(FramesTest, CallByHand) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  for (uint32_t stream = 1; stream < 5; stream++) EXPECT_TRUE(Serves(peer, stream << 16));
}

TEST_P(FramesTest, OneByteAtATime) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  for (const char byte : RawPeer::Start(1 << 16, kEcho, "\x10\x07")) peer.SendBytes({&byte, 1});
  const auto frame = peer.ReceiveFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->body, "\x10\x07");
}

TEST_P(FramesTest, NoHelloFirst) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: here\r\n\r\n"), std::string(1000, '\0'),
        std::string(1000, '\xff'), RawPeer::Start(1 << 16, kEcho, ""),
        FrameOf(FrameType::kHello, 0, 0, "too short"),
        FrameOf(FrameType::kHello, 0, 0, std::string(64, 'x'))}) {
    RawPeer peer(path());
    peer.SendBytes(bytes);
    EXPECT_TRUE(peer.HangsUp()) << bytes.substr(0, 20);
  }
}

TEST_P(FramesTest, NoCommonVersion) {
  sidecall::Hello future = RawPeer::Greeting();
  future.oldest_version = future.newest_version = 999;
  RawPeer peer(path());
  peer.SayHello(future);
  EXPECT_TRUE(peer.HangsUp());
}

TEST_P(FramesTest, LengthsThatCannotBe) {
  for (const uint32_t length :
       {(1u << 20) + (64u << 10) + 1, 1u << 31, std::numeric_limits<uint32_t>::max()}) {
    FrameHeader header;
    header.type = FrameType::kStart;
    header.length = length;
    EXPECT_TRUE(Ends(std::string(reinterpret_cast<const char*>(&header), sizeof header))) << length;
  }
}

TEST_P(FramesTest, TypesThatHaveNoPlaceHere) {
  for (const int type : {0, 1, 4, 6, 10, 11, 12, 100, 255}) {
    EXPECT_TRUE(Ends(FrameOf(static_cast<FrameType>(type), 0, 1 << 16, "body"))) << type;
    EXPECT_TRUE(Ends(FrameOf(static_cast<FrameType>(type), 0, 1 << 16, ""))) << type << ", no body";
  }
}

// Each is one change of a call that would be served.
TEST_P(FramesTest, HeadersThatCannotBe) {
  const std::string good = RawPeer::Start(1 << 16, kEcho, "\x10\x07");
  const auto with = [&](size_t offset, uint8_t value) {
    std::string bytes = good;
    bytes[offset] = static_cast<char>(value);
    return bytes;
  };
  EXPECT_TRUE(Ends(with(offsetof(FrameHeader, lane), 1))) << "a call on the control lane";
  EXPECT_TRUE(Ends(with(offsetof(FrameHeader, lane), 2))) << "no such lane";
  EXPECT_TRUE(Ends(with(offsetof(FrameHeader, fd_count), 1)));
  EXPECT_TRUE(Ends(with(offsetof(FrameHeader, flags), 0x80 | static_cast<uint8_t>(good[5])))) << "reserved";
  EXPECT_TRUE(Ends(with(offsetof(FrameHeader, flags), FrameFlags::kStatus | static_cast<uint8_t>(good[5]))));
  EXPECT_TRUE(Ends(with(offsetof(FrameHeader, flags), FrameFlags::kMethodName))) << "bytes of no section";
}

TEST_P(FramesTest, UnaryCallWithoutItsOneMessage) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  std::string name;
  sidecall::AppendMethodName(name, kEcho);
  uint32_t stream = 1;
  for (const int flags : {0, +FrameFlags::kMessage, +FrameFlags::kHalfClose}) {
    const auto start = static_cast<uint8_t>(FrameFlags::kMethodName | flags);
    peer.SendBytes(FrameOf(FrameType::kStart, start, stream++ << 16, name));
    const auto frame = peer.ReceiveFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->header.code, static_cast<uint32_t>(absl::StatusCode::kInvalidArgument)) << flags;
    EXPECT_TRUE(Serves(peer, stream++ << 16));
  }
}

TEST_P(FramesTest, SectionsLongerThanTheirFrame) {
  const std::string name_too_long(
      "\xff\xff"
      "conformance",
      13);
  EXPECT_TRUE(Ends(FrameOf(FrameType::kStart, FrameFlags::kMethodName, 1 << 16, name_too_long)));
  EXPECT_TRUE(Ends(FrameOf(FrameType::kStart, FrameFlags::kMethodName, 1 << 16, "")));
  for (const uint32_t claimed : {1u, 100u, std::numeric_limits<uint32_t>::max()}) {
    std::string body;
    sidecall::AppendMethodName(body, kEcho);
    body.append(reinterpret_cast<const char*>(&claimed), sizeof claimed);
    EXPECT_TRUE(
        Ends(FrameOf(FrameType::kStart, FrameFlags::kMethodName | FrameFlags::kMetadata, 1 << 16, body)));
  }
}

TEST_P(FramesTest, UnknownMethodId) {
  FrameHeader header;
  header.type = FrameType::kStart;
  header.stream = 1 << 16;
  for (const uint32_t id : {0u, 7u, 4095u, 4096u, std::numeric_limits<uint32_t>::max()}) {
    header.code = id;
    EXPECT_TRUE(Ends(RawPeer::Bytes(header, ""))) << id;
  }
}

TEST_P(FramesTest, StreamBegunTwice) {
  EXPECT_TRUE(
      Ends(RawPeer::Start(1 << 16, kSleep, "\n\x05never") + RawPeer::Start(1 << 16, kSleep, "\n\x05never")));
  EXPECT_TRUE(Ends(RawPeer::Start(1 << 16, kSleep, "\n\x05never") + RawPeer::Start(2 << 16, kEcho, "")));
  EXPECT_TRUE(server_->AwaitCancels("never", 2)) << "the end of its connection reaches the handler";
}

TEST_P(FramesTest, SplitFrames) {
  const auto piece = [](uint32_t whole, std::string_view bytes) {
    std::string body(reinterpret_cast<const char*>(&whole), sizeof whole);
    body += bytes;
    return FrameOf(
        FrameType::kStart,
        FrameFlags::kMore | FrameFlags::kMethodName | FrameFlags::kMessage | FrameFlags::kHalfClose, 1 << 16,
        body);
  };
  const auto more = [](uint8_t flags, std::string_view bytes) {
    return FrameOf(FrameType::kContinuation, flags, 1 << 16, bytes);
  };
  EXPECT_TRUE(Ends(more(0, "of nothing")));
  EXPECT_TRUE(Ends(FrameOf(FrameType::kStart, FrameFlags::kMore, 1 << 16, "abc"))) << "no size";
  EXPECT_TRUE(Ends(piece(100, "a") + piece(100, "b"))) << "begins twice";
  EXPECT_TRUE(Ends(piece(10, "five5") + more(FrameFlags::kMore, "more than five")));
  EXPECT_TRUE(Ends(piece(10, "more than ten bytes")));
  EXPECT_TRUE(Ends(piece(10, "five5") + more(0, "four")));
  EXPECT_TRUE(Ends(piece(0, "") + more(0, ""))) << "an empty start has no method";

  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  std::string body;
  sidecall::AppendMethodName(body, kEcho);
  body += "\x10\x07";
  peer.SendBytes(piece(static_cast<uint32_t>(body.size()), body.substr(0, 3)) + more(FrameFlags::kMore, "") +
                 more(FrameFlags::kMore, body.substr(3, 4)) + more(0, body.substr(7)));
  const auto frame = peer.ReceiveFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->header.code, 0u);
  EXPECT_EQ(frame->body, "\x10\x07");
}

// Told before memory is set aside for it.
TEST_P(FramesTest, RequestLargerThanTheLimit) {
  for (const uint32_t whole :
       {(4u << 20) + (256u << 10) + 1, 1u << 31, std::numeric_limits<uint32_t>::max()}) {
    RawPeer peer(path());
    ASSERT_TRUE(peer.SayHello());
    const std::string size(reinterpret_cast<const char*>(&whole), sizeof whole);
    peer.SendBytes(
        FrameOf(FrameType::kStart, FrameFlags::kMore | FrameFlags::kMethodName, 1 << 16, size + "begin"));
    const auto frame = peer.ReceiveFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->header.type, FrameType::kEnd);
    EXPECT_EQ(frame->header.code, static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
    EXPECT_NE(frame->body.find(std::to_string(whole)), std::string::npos);
  }
}

TEST_P(FramesTest, StreamBeyondTheLimitIsRefusedAlone) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  peer.SendBytes(RawPeer::Start(1 << 16 | 5000, kEcho, ""));
  const auto frame = peer.ReceiveFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->header.code, static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Serves(peer, 1 << 16));
}

TEST_P(FramesTest, MalformedMessageEndsItsCallAlone) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  const std::string deep = [] {
    std::string nested;
    for (int depth = 0; depth < 100000; depth++) nested += '\x0b';  // Groups within groups.
    return nested;
  }();
  uint32_t stream = 1;
  for (const std::string& message : {std::string("\xff"), std::string("\x0a\xff\xff\xff\xff\x0f"), deep}) {
    peer.SendBytes(RawPeer::Start(stream++ << 16, kEcho, message));
    const auto frame = peer.ReceiveFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->header.code, static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
    EXPECT_TRUE(Serves(peer, stream++ << 16));
  }
}

TEST_P(FramesTest, CancelOfAStreamThatIsNot) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  for (const uint32_t stream : {0u, 1u << 16, 5u << 16 | 77, std::numeric_limits<uint32_t>::max()}) {
    peer.SendBytes(FrameOf(FrameType::kCancel, 0, stream, ""));
  }
  EXPECT_TRUE(Serves(peer, 2 << 16));
}

// Control may overtake data.
TEST_P(FramesTest, CancelBeforeItsStartIsRemembered) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  peer.SendBytes(FrameOf(FrameType::kCancel, 0, 1 << 16, ""));
  peer.SendBytes(FrameOf(FrameType::kCancel, 0, 7 << 16 | 3, ""));
  peer.SendBytes(RawPeer::Start(1 << 16, kSleep, "\n\x05never"));
  const auto frame = peer.ReceiveFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->header.type, FrameType::kEnd);
  EXPECT_EQ(frame->header.code, static_cast<uint32_t>(absl::StatusCode::kCancelled));
  EXPECT_TRUE(Serves(peer, 2 << 16)) << "the next on that index is no affair of the cancel's";
  EXPECT_TRUE(Serves(peer, 1 << 16 | 3)) << "a stream ahead of which another was cancelled";
  // That of a stream that has ended is dropped.
  peer.SendBytes(FrameOf(FrameType::kCancel, 0, 2 << 16, ""));
  EXPECT_TRUE(Serves(peer, 3 << 16));
}

// They crossed the stream's end on the way.
TEST_P(FramesTest, FramesOfAStreamThatHasEndedAreDropped) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  EXPECT_TRUE(Serves(peer, 1 << 16));
  peer.SendBytes(FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, "\x10\x07"));
  peer.SendBytes(FrameOf(FrameType::kMessage, FrameFlags::kHalfClose, 1 << 16, ""));
  peer.SendBytes(WindowOf(1 << 16, 1000));
  const std::string pieces("\x05\0\0\0ab", 6);
  peer.SendBytes(FrameOf(FrameType::kMessage, FrameFlags::kMessage | FrameFlags::kMore, 1 << 16, pieces));
  peer.SendBytes(FrameOf(FrameType::kContinuation, 0, 1 << 16, "cde"));
  EXPECT_TRUE(Serves(peer, 2 << 16));
}

// -- Streams, by hand
// ---------------------------------------------------------------------------------------------------------

TEST_P(FramesTest, StreamByHand) {
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

TEST_P(FramesTest, StreamWithoutWindowIsRefused) {
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
TEST_P(FramesTest, ServerKeepsToTheWindow) {
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

TEST_P(FramesTest, MessagesBeyondTheWindow) {
  // The handler waits at a gate, and takes none.
  std::string bytes = StreamStart(1 << 16, "gate", "never");
  const std::string message =
      FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, std::string(64 << 10, '\0'));
  for (int i = 0; i < 5; i++) bytes += message;
  EXPECT_TRUE(Ends(bytes, Streaming()));
}

TEST_P(FramesTest, EmptyMessagesBeyondTheWindow) {
  std::string bytes = StreamStart(1 << 16, "gate", "never");
  const std::string message = FrameOf(FrameType::kMessage, FrameFlags::kMessage, 1 << 16, "");
  for (int i = 0; i < (256 << 10) / 64 + 1; i++) bytes += message;
  EXPECT_TRUE(Ends(bytes, Streaming()));
}

TEST_P(FramesTest, WindowBeyondWhatThereIs) {
  EXPECT_TRUE(Ends(StreamStart(1 << 16) + WindowOf(1 << 16, 1u << 31), Streaming()));
  EXPECT_TRUE(
      Ends(StreamStart(1 << 16) + WindowOf(1 << 16, std::numeric_limits<uint64_t>::max()), Streaming()));
  EXPECT_TRUE(
      Ends(StreamStart(1 << 16) + WindowOf(1 << 16, 1u << 30) + WindowOf(1 << 16, 1u << 30), Streaming()));
}

TEST_P(FramesTest, MessageBehindTheLast) {
  const std::string last =
      FrameOf(FrameType::kMessage, FrameFlags::kMessage | FrameFlags::kHalfClose, 1 << 16, "");
  EXPECT_TRUE(Ends(StreamStart(1 << 16, "end-gate", "never") + last + last, Streaming()));
  const std::string bytes_of_no_section = FrameOf(FrameType::kMessage, 0, 1 << 16, "x");
  EXPECT_TRUE(Ends(StreamStart(1 << 16) + bytes_of_no_section, Streaming()));
}

// The message in a START costs no window: what the window allows may follow, whether or not it was there.
TEST_P(FramesTest, FirstMessageInStartCostsNoWindow) {
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

TEST_P(FramesTest, WindowInAHelloThatCannotBe) {
  sidecall::Hello hello = RawPeer::Greeting();
  hello.initial_window = 1u << 31;
  RawPeer peer(path());
  (void)peer.SayHello(hello);
  EXPECT_TRUE(peer.HangsUp());
}

// A peer that gives all the window there is and reads nothing: the handler is held up, not the server's
// memory.
TEST_P(FramesTest, HugeWindowAndNobodyReads) {
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
TEST_P(FramesTest, MessageThatCannotBeParsed) {
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

TEST_P(FramesTest, CancelReachesTheHandler) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  peer.SendBytes(RawPeer::Start(1 << 16, kSleep, "\n\x05never"));
  ASSERT_TRUE(server_->AwaitArrivals("never", 1));
  peer.SendBytes(FrameOf(FrameType::kCancel, 0, 1 << 16, ""));
  EXPECT_TRUE(server_->AwaitCancels("never", 1));
  const auto frame = peer.ReceiveFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->header.code, static_cast<uint32_t>(absl::StatusCode::kCancelled));
}

TEST_P(FramesTest, PingIsAnswered) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  FrameHeader ping;
  ping.type = FrameType::kPing;
  ping.lane = sidecall::Lane::kControl;
  ping.argument = 0x1122334455667788;
  peer.SendFrame(ping, "");
  const auto pong = peer.ReceiveFrame();
  ASSERT_TRUE(pong.has_value());
  EXPECT_EQ(pong->header.type, FrameType::kPong);
  EXPECT_EQ(pong->header.argument, ping.argument);
}

// What waits for a client that does not read is bounded: its pongs are one, its answers as many as it may
// have calls.
TEST_P(FramesTest, ClientThatNeverReads) {
  RawPeer pinging(path());
  ASSERT_TRUE(pinging.SayHello());
  const std::string ping = FrameOf(FrameType::kPing, 0, 0, "");
  std::string pings;
  for (int i = 0; i < 1000; i++) pings += ping;
  for (int i = 0; i < 300; i++) pinging.SendBytes(pings);
  EXPECT_TRUE(Echoes(*stub_, 1));
  EXPECT_TRUE(pinging.ReceiveFrame().has_value()) << "it is no violation yet";

  RawPeer calling(path());
  ASSERT_TRUE(calling.SayHello());
  const std::string payload = "\x0a\x80\x08" + std::string(1024, 'x');
  bool refused = false;
  for (uint32_t i = 0; i < 100'000 && !refused; i++) {
    // Each index anew long after its call has run: what is refused is the unread answers, not a stream begun
    // twice.
    const uint32_t stream = (i / 1000 % 65535 + 1) << 16 | i % 1000;
    refused = !calling.SendBytes(RawPeer::Start(stream, kEcho, payload));
  }
  EXPECT_TRUE(refused) << "100 MB of answers that nobody reads";
}

// Clocks and deadlines at the ends of their range are numbers like any other.
TEST_P(FramesTest, ExtremeClocks) {
  for (const int64_t clock : {int64_t{0}, int64_t{1}, std::numeric_limits<int64_t>::max()}) {
    for (const uint64_t deadline :
         {uint64_t{1}, uint64_t{1} << 63, std::numeric_limits<uint64_t>::max() >> 1}) {
      sidecall::Hello hello = RawPeer::Greeting();
      hello.clock_id = 1;  // Another time namespace.
      hello.clock_now = clock;
      RawPeer peer(path());
      ASSERT_TRUE(peer.SayHello(hello));
      std::string start = RawPeer::Start(1 << 16, "conformance.TestService/TellDeadline", "");
      start.replace(offsetof(FrameHeader, argument), sizeof deadline,
                    reinterpret_cast<const char*>(&deadline), sizeof deadline);
      peer.SendBytes(start);
      const auto frame = peer.ReceiveFrame();
      ASSERT_TRUE(frame.has_value()) << "the server lives";
      EXPECT_EQ(frame->header.type, FrameType::kEnd);
    }
  }
}

// A monotonic clock counts from zero: the server may refuse the hello, or serve.
TEST_P(FramesTest, ClocksBeforeTheirBeginning) {
  for (const int64_t clock : {int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    sidecall::Hello hello = RawPeer::Greeting();
    hello.clock_id = 1;
    hello.clock_now = clock;
    RawPeer peer(path());
    ASSERT_TRUE(peer.SayHello(hello));
    peer.SendBytes(RawPeer::Start(1 << 16, "conformance.TestService/TellDeadline", ""));
    const auto frame = peer.ReceiveFrame();
    EXPECT_TRUE(!frame.has_value() || frame->header.type == FrameType::kEnd);
  }
}

TEST_P(FramesTest, HungUpAtEveryByte) {
  const std::string start = RawPeer::Start(1 << 16, kEcho, "\x10\x07");
  for (size_t size = 0; size < start.size(); size++) {
    RawPeer peer(path());
    ASSERT_TRUE(peer.SayHello());
    peer.SendBytes(start.substr(0, size));
  }
}

TEST_P(FramesTest, SilentConnectionsDoNoHarm) {
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 20; i++) silent.push_back(std::make_unique<RawPeer>(path()));
  for (int call = 0; call < 20; call++) EXPECT_TRUE(Echoes(*stub_, call));
  RawPeer half(path());
  half.SendBytes("S");
  EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel("unix:" + path())), 1));
}

}  // namespace
}  // namespace conformance
