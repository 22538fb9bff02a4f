// Floods of frames that bring nothing: so many are taken, and then the connection is closed.
#include <gtest/gtest.h>

#include <string>

#include "core/flood_budget.h"
#include "fault_fixture.h"
#include "frame_peer.h"

namespace fault {
namespace {

using sidecall::FloodBudget;

// Sends `frame` until the server hangs up: not before the budget is used up, and not long after.
void Flood(const std::string& address, const Frame& frame, bool in_stream = false) {
  FramePeer peer(address);
  ASSERT_TRUE(peer.SayHello());
  if (in_stream) {
    ASSERT_TRUE(peer.Send(StreamStart(1 << 16, "end-gate", "never")));
  }
  ASSERT_TRUE(peer.SendMany(frame, FloodBudget::kMost - 1));
  EXPECT_TRUE(peer.Serves(1 << 16 | 1)) << "as many as are allowed";
  // Time gives a little more while they are sent.
  bool closed = false;
  for (int i = 0; i < 1000 && !closed; i++)
    closed = !peer.SendMany(frame, FloodBudget::kMost / 10) || peer.closed();
  EXPECT_TRUE(closed || peer.HangsUp());
}

TEST_P(FaultTest, Row45_Floods) {
  Begin();
  Flood(address(), FrameOf(FrameType::kPing, 0, 0));
  EXPECT_TRUE(GoodCall());
  Flood(address(), FrameOf(FrameType::kMessage, 0, 1 << 16), true);
  EXPECT_TRUE(GoodCall());
  Flood(address(), FrameOf(FrameType::kMessage, FrameFlags::kMessage, 9 << 16));
  Flood(address(), FrameOf(FrameType::kWindow, 0, 1 << 16, "", 1), true);
  Flood(address(), FrameOf(FrameType::kWindow, 0, 9 << 16, "", 1 << 20));
  EXPECT_TRUE(GoodCall());
  Flood(address(), FrameOf(FrameType::kCancel, 0, 9 << 16));
}

TEST_P(FaultTest, Row45_EmptyPieces) {
  Begin();
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  const std::string size("\x64\0\0\0begin", 9);
  ASSERT_TRUE(
      peer.Send(FrameOf(FrameType::kStart, FrameFlags::kMore | FrameFlags::kMethodName, 1 << 16, size)));
  const Frame empty = FrameOf(FrameType::kContinuation, FrameFlags::kMore, 1 << 16);
  for (int i = 0; i < 1000; i++) ASSERT_TRUE(peer.Send(empty));
  EXPECT_TRUE(peer.Serves(1 << 16 | 1));
  for (int i = 0; i < 1000 && !peer.closed(); i++) peer.Send(empty);
  EXPECT_TRUE(peer.HangsUp());
}

}  // namespace
}  // namespace fault
