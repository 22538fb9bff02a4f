// Frames that are cut or come in pieces, which only a byte stream can do to them.
#include <gtest/gtest.h>

#include <future>
#include <random>
#include <string>
#include <thread>

#include "call_raw_peer.h"
#include "fault_fixture.h"
#include "frame_peer.h"
#include "raw_meeting.h"
#include "transport/address.h"

namespace fault {
namespace {

using conformance::RawPeer;

constexpr char kNoStream[] = "its frames are written whole, or not at all";

bool IsByteStream(const Setup& setup) {
  return setup.scheme == "unix" || setup.scheme == "unix-abstract" || setup.scheme == "pipe";
}

TEST_P(FaultTest, Row11_RequestTruncatedAtEveryByte) {
  SIDECALL_FAULT_NEEDS(IsByteStream(GetParam()), kNoStream);
  Begin();
  const auto server = sidecall::Address::Parse(address());
  const std::string hello = FrameOf(FrameType::kHello, 0, 0, sidecall::EncodeHello(Greeting())).Bytes();
  for (size_t size = 0; size < hello.size(); size++) {
    RawPeer peer = MeetRaw(*server);
    ASSERT_TRUE(peer.connected());
    EXPECT_TRUE(peer.SendBytes(hello.substr(0, size)));
    peer.EndSending();
    EXPECT_TRUE(peer.HangsUp()) << size << " bytes of a hello";
  }
  const std::string start = StartFrame(1 << 16, kEcho, kNumber7).Bytes();
  for (size_t size = 0; size < start.size(); size++) {
    RawPeer peer = MeetRaw(*server);
    ASSERT_TRUE(peer.SayHello());
    EXPECT_TRUE(peer.SendBytes(start.substr(0, size)));
    peer.EndSending();
    EXPECT_TRUE(peer.HangsUp()) << size << " bytes of a call";
  }
  EXPECT_EQ(Handlers().entered(), 0u) << "no part of a call is one";
}

// By a server that is this test.
TEST_P(FaultTest, Row11_ReplyTruncatedAtEveryByte) {
  SIDECALL_FAULT_NEEDS(IsByteStream(GetParam()), kNoStream);
  Begin();
  const auto address = sidecall::Address::Parse(this->address() + "-hostile");
  ASSERT_TRUE(address.ok());
  RawServer server(*address);
  ASSERT_TRUE(server.listens());
  sidecall::Hello hello = Greeting();
  hello.max_calls = 8;
  const std::string greeting = FrameOf(FrameType::kHello, 0, 0, sidecall::EncodeHello(hello)).Bytes();
  const std::string end = FrameOf(FrameType::kEnd, FrameFlags::kMessage, 1 << 16, kNumber7).Bytes();
  for (size_t size = 0; size <= end.size(); size++) {
    auto call = std::async(std::launch::async, [&] {
      return Call([&] {
        PatientContext context;
        EchoMessage reply;
        const TestService::Stub stub(sidecall::CreateChannel(address->text));
        return stub.Echo(&context, EchoMessage(), &reply);
      });
    });
    {
      RawPeer client = server.Accept();
      ASSERT_TRUE(client.connected());
      client.SendBytes(greeting);
      // The client's hello, and its call, which begins when it has ours.
      ASSERT_TRUE(client.ReceiveFrame().has_value());
      ASSERT_TRUE(client.ReceiveFrame().has_value());
      client.SendBytes(end.substr(0, size));
    }
    const absl::Status status = call.get();
    if (size == end.size()) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_TRUE(absl::IsUnavailable(status) && !sidecall::IsNotSent(status))
          << size << " bytes: " << status;
    }
  }
}

// A unary call, a stream, and a split frame, in pieces of random sizes and then of one byte.
TEST_P(FaultTest, Row12_WritesOfAnySize) {
  SIDECALL_FAULT_NEEDS(IsByteStream(GetParam()), kNoStream);
  Begin();
  const auto server = sidecall::Address::Parse(address());
  const std::string body = StartFrame(0, kEcho, kNumber7).body;
  const auto whole = static_cast<uint32_t>(body.size());
  const std::string size(reinterpret_cast<const char*>(&whole), sizeof whole);
  constexpr uint8_t kStart =
      FrameFlags::kMore | FrameFlags::kMethodName | FrameFlags::kMessage | FrameFlags::kHalfClose;
  const std::string bytes =
      StartFrame(1 << 16, kEcho, kNumber7).Bytes() + StreamStart(1 << 16 | 1).Bytes() +
      FrameOf(FrameType::kStart, kStart, 1 << 16 | 2, size + body.substr(0, 10)).Bytes() +
      MessageFrame(1 << 16 | 1, kNumber7).Bytes() +
      FrameOf(FrameType::kContinuation, 0, 1 << 16 | 2, body.substr(10)).Bytes() +
      FrameOf(FrameType::kMessage, FrameFlags::kHalfClose, 1 << 16 | 1).Bytes();
  std::mt19937 random(12);
  for (int round = 0; round < Scaled(40); round++) {
    RawPeer peer = MeetRaw(*server);
    ASSERT_TRUE(peer.SayHello(Greeting()));
    for (size_t at = 0; at < bytes.size();) {
      const size_t piece = round % 4 == 0 ? 1 : 1 + random() % 40;
      ASSERT_TRUE(peer.SendBytes(bytes.substr(at, piece)));
      at += piece;
    }
    int ends = 0;
    int messages = 0;
    while (ends < 3) {
      const auto frame = peer.ReceiveFrame();
      ASSERT_TRUE(frame.has_value());
      if (frame->header.type == FrameType::kMessage) messages++;
      if (frame->header.type != FrameType::kEnd) continue;
      ends++;
      EXPECT_EQ(frame->header.code, 0u);
      if (frame->header.stream != (1 << 16 | 1)) {
        EXPECT_EQ(frame->body, kNumber7);
      }
    }
    EXPECT_EQ(messages, 1);
  }
}

}  // namespace
}  // namespace fault
