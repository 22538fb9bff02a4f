// Clients that send what no client should, byte by byte over a Unix socket: it costs them their own
// connection only.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "call_frames_fixture.h"

namespace conformance {
namespace {

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
  EXPECT_TRUE(Ends(with(offsetof(FrameHeader, lane), 3))) << "no such lane";
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
  for (int i = 0; i < 15; i++) pinging.SendBytes(pings);
  EXPECT_TRUE(Echoes(*stub_, 1));
  EXPECT_TRUE(pinging.ReceiveFrame().has_value()) << "it is no flood yet";

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
