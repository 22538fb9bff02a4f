// Frames that have no place where they come, or mean nothing.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "fault_fixture.h"
#include "frame_peer.h"

namespace fault {
namespace {

using conformance::HasCode;

TEST_P(FaultTest, Row16_UnknownTypeVersionOrFlag) {
  Begin();
  for (const int type : {0, 1, 4, 6, 10, 11, 12, 100, 255}) {
    // To a ring type 0 is its own padding, which never leaves it.
    if (type == 0 && GetParam().scheme == "shm") continue;
    EXPECT_TRUE(HangsUpOn(address(), {FrameOf(static_cast<FrameType>(type), 0, 1 << 16)})) << "type " << type;
  }
  Frame start = StartFrame(1 << 16, kEcho, kNumber7);
  for (const int flag : {+FrameFlags::kStatus, +FrameFlags::kMethodKnown, +FrameFlags::kSeveral}) {
    Frame unknown = start;
    unknown.header.flags |= static_cast<uint8_t>(flag);
    EXPECT_TRUE(HangsUpOn(address(), {unknown})) << "flag " << flag;
  }
  Frame other_lane = start;
  other_lane.header.lane = static_cast<sidecall::Lane>(3);
  EXPECT_TRUE(HangsUpOn(address(), {other_lane}));
  Frame descriptors = start;
  descriptors.header.fd_count = 1;
  EXPECT_TRUE(HangsUpOn(address(), {descriptors}));
}

// Versions that there are not, a range that is none, and one that reaches back to ours.
TEST_P(FaultTest, Row16_Downgrade) {
  Begin();
  const auto hello_of = [](uint16_t oldest, uint16_t newest) {
    sidecall::Hello hello = Greeting();
    hello.oldest_version = oldest;
    hello.newest_version = newest;
    return FrameOf(FrameType::kHello, 0, 0, sidecall::EncodeHello(hello));
  };
  for (const auto& [oldest, newest] : {std::pair{0, 0}, {2, 2}, {2, 0xffff}, {0xffff, 0}, {2, 1}}) {
    EXPECT_TRUE(
        HangsUpOn(address(), {hello_of(static_cast<uint16_t>(oldest), static_cast<uint16_t>(newest))}, false))
        << oldest << " to " << newest;
  }
  FramePeer old(address());
  ASSERT_TRUE(old.Send(hello_of(0, 0xffff)));
  ASSERT_TRUE(old.Next(FrameType::kHello).has_value());
  EXPECT_TRUE(old.Serves(1 << 16)) << "both speak version 1";
  // A second hello with less in it takes nothing back: it is a violation.
  EXPECT_TRUE(HangsUpOn(address(), {hello_of(1, 1)}));
}

TEST_P(FaultTest, Row19_StreamIdsThatCannotBe) {
  Begin();
  const Frame sleep = StartFrame(1 << 16, kSleep, "\n\x05never");
  EXPECT_TRUE(HangsUpOn(address(), {sleep, sleep})) << "duplicate";
  EXPECT_TRUE(HangsUpOn(address(), {sleep, StartFrame(2 << 16, kEcho, kNumber7)})) << "another on its index";
  EXPECT_TRUE(server().AwaitCancels("never", 2));
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  // Unknown ones, before any START: their frames crossed an end, for all the server knows.
  for (const uint32_t stream : {1u << 16, 5u << 16 | 77, std::numeric_limits<uint32_t>::max()}) {
    EXPECT_TRUE(peer.Send(MessageFrame(stream, kNumber7)));
    EXPECT_TRUE(peer.Send(FrameOf(FrameType::kWindow, 0, stream, "", 1000)));
    EXPECT_TRUE(peer.Send(FrameOf(FrameType::kMessage, FrameFlags::kHalfClose, stream)));
  }
  EXPECT_TRUE(peer.Serves(2 << 16));
  // Closed ones.
  EXPECT_TRUE(peer.Send(MessageFrame(2 << 16, kNumber7)));
  EXPECT_TRUE(peer.Send(FrameOf(FrameType::kWindow, 0, 2 << 16, "", 1000)));
  EXPECT_TRUE(peer.Send(FrameOf(FrameType::kCancel, 0, 2 << 16)));
  EXPECT_TRUE(peer.Serves(3 << 16));
  // Behind its last message.
  const Frame last = FrameOf(FrameType::kMessage, FrameFlags::kMessage | FrameFlags::kHalfClose, 1 << 16);
  EXPECT_TRUE(HangsUpOn(address(), {StreamStart(1 << 16, "end-gate", "never"), last, last}));
}

TEST_P(FaultTest, Row19_DataBeforeStart) {
  Begin();
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  // Messages ahead of their stream are dropped, and are none of it.
  for (int i = 0; i < 3; i++) EXPECT_TRUE(peer.Send(MessageFrame(1 << 16, kNumber7)));
  EXPECT_TRUE(peer.Send(StreamStart(1 << 16)));
  EXPECT_TRUE(peer.Send(FrameOf(FrameType::kMessage, FrameFlags::kHalfClose, 1 << 16)));
  const auto end = peer.Next();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.type, FrameType::kEnd);
  // A piece of a frame whose beginning never came is a violation.
  EXPECT_TRUE(HangsUpOn(address(), {FrameOf(FrameType::kContinuation, 0, 1 << 16, "of nothing")}));
  // A cancel may overtake its START.
  EXPECT_TRUE(peer.Send(FrameOf(FrameType::kCancel, 0, 2 << 16)));
  EXPECT_TRUE(peer.Send(StartFrame(2 << 16, kSleep, "\n\x05never")));
  const auto cancelled = peer.Next();
  ASSERT_TRUE(cancelled.has_value());
  EXPECT_EQ(cancelled->header.code, static_cast<uint32_t>(absl::StatusCode::kCancelled));
}

TEST_P(FaultTest, Row20_DataBeforeTheHandshake) {
  Begin();
  EXPECT_TRUE(HangsUpOn(address(), {StartFrame(1 << 16, kEcho, kNumber7)}, false));
  EXPECT_TRUE(HangsUpOn(address(), {FrameOf(FrameType::kPing, 0, 0)}, false));
  EXPECT_TRUE(HangsUpOn(address(), {MessageFrame(1 << 16, kNumber7)}, false));
  EXPECT_TRUE(HangsUpOn(address(), {FrameOf(FrameType::kHello, 0, 0, std::string(60, 'x'))}, false));
  // Pieces of a frame do not put the handshake off.
  const std::string piece("\x64\0\0\0begin", 9);
  EXPECT_TRUE(HangsUpOn(address(), {FrameOf(FrameType::kStart, FrameFlags::kMore, 1 << 16, piece)}, false));
  EXPECT_EQ(Handlers().entered(), 0u);
}

// Hung up on after 10 seconds, and others are served meanwhile.
TEST_P(FaultTest, Row20_SilentConnection) {
  const std::string& scheme = GetParam().scheme;
  SIDECALL_FAULT_NEEDS(scheme == "shm" || scheme == "pipe" || scheme == "mqueue",
                       "the timer is the core's, takes 10 s, and is proved over shm, pipe and mqueue");
  Begin();
  std::vector<std::unique_ptr<FramePeer>> silent;
  const int count = conformance::HasManyConnections(GetParam()) ? 8 : 2;
  for (int i = 0; i < count; i++) {
    silent.push_back(std::make_unique<FramePeer>(address()));
    ASSERT_TRUE(silent.back()->connected());
  }
  EXPECT_TRUE(GoodCall());
  for (const auto& peer : silent) EXPECT_TRUE(peer->HangsUp());
}

}  // namespace
}  // namespace fault
