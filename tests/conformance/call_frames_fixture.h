// A server over a Unix socket, and peers that write to it byte by byte: for tests of frames that no client
// sends.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_FRAMES_FIXTURE_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_FRAMES_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "call_fixture.h"
#include "call_raw_peer.h"

namespace conformance {

using sidecall::FrameFlags;
using sidecall::FrameHeader;
using sidecall::FrameType;

inline constexpr char kEcho[] = "conformance.TestService/Echo";
inline constexpr char kSleep[] = "conformance.TestService/Sleep";

class FramesTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    auto server = ServerUnderTest::Start(GetParam(), {"unix:" + path()}, Options());
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
  virtual sidecall::ServerOptions Options() const { return {}; }
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
}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_FRAMES_FIXTURE_H_
