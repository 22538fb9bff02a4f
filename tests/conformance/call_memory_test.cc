// Memory that a hostile client may take in the server: bounded for its connection as a whole.
#include <gtest/gtest.h>

#include <string>

#include "call_frames_fixture.h"

namespace conformance {
namespace {

constexpr size_t kMiB = 1u << 20;
constexpr uint32_t kCalls = 100;

class MemoryTest : public FramesTest {
 protected:
  sidecall::ServerOptions Options() const override {
    sidecall::ServerOptions options;
    options.max_receive_message_bytes = kMiB;
    options.max_connection_bytes = 8 * kMiB;
    options.max_handler_threads = 4;  // Each may have begun a reply before the others' are there.
    return options;
  }
  // Sends the first pieces of kCalls requests of `size` bytes, and gives what each of them holds.
  static std::string BeginSplitRequests(const RawPeer& peer, uint32_t size) {
    std::string head(reinterpret_cast<const char*>(&size), sizeof size);
    sidecall::AppendMethodName(head, kEcho);
    constexpr uint8_t kFlags =
        FrameFlags::kMethodName | FrameFlags::kMessage | FrameFlags::kHalfClose | FrameFlags::kMore;
    for (uint32_t call = 0; call < kCalls; call++) {
      peer.SendBytes(FrameOf(FrameType::kStart, kFlags, 1 << 16 | call, head));
    }
    return head;
  }
};
INSTANTIATE_TEST_SUITE_P(Over, MemoryTest, testing::Values(Place::kSameProcess, Place::kOtherProcess));

bool IsExhausted(const std::optional<RawPeer::Frame>& frame) {
  return frame.has_value() && frame->header.type == FrameType::kEnd &&
         frame->header.code == static_cast<uint32_t>(absl::StatusCode::kResourceExhausted);
}

// Requests that are begun, and never end. Larger messages than are taken may have room beside them in a
// frame.
TEST_P(MemoryTest, SplitRequestsBeyondTheLimitOfMessages) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  BeginSplitRequests(peer, kMiB + 1);
  for (uint32_t call = 7; call < kCalls; call++) EXPECT_TRUE(IsExhausted(peer.ReceiveFrame()));
}

TEST_P(MemoryTest, SplitRequestsUnderWay) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  const uint32_t size = kMiB;
  const std::string head = BeginSplitRequests(peer, size);
  for (uint32_t call = 8; call < kCalls; call++) {
    const auto end = peer.ReceiveFrame();
    EXPECT_TRUE(IsExhausted(end));
    EXPECT_EQ(end->header.stream, 1u << 16 | call) << "the first eight have their memory";
  }
  // One that was refused is skipped to its end; one that was not is served.
  const std::string rest(size - (head.size() - sizeof size), '\0');
  peer.SendBytes(FrameOf(FrameType::kContinuation, 0, 1 << 16 | 8, rest));
  EXPECT_TRUE(Serves(peer, 1 << 16 | kCalls));
}

// Replies that nobody reads: calls are refused once they come to too much.
TEST_P(MemoryTest, RepliesThatNobodyReads) {
  RawPeer peer(path());
  ASSERT_TRUE(peer.SayHello());
  LargeRequest request;
  request.set_size(kMiB - 100);
  for (uint32_t call = 0; call < kCalls; call++) {
    peer.SendBytes(
        RawPeer::Start(1 << 16 | call, "conformance.TestService/ReturnLarge", request.SerializeAsString()));
  }
  // When others have had their turn, so have all of these.
  for (int i = 0; i < 3; i++) EXPECT_TRUE(Echoes(*stub_, i));
  uint32_t ends = 0;
  uint32_t exhausted = 0;
  while (ends < kCalls) {
    const auto frame = peer.ReceiveFrame();
    ASSERT_TRUE(frame.has_value());
    if (frame->header.type != FrameType::kEnd) continue;
    ends++;
    if (IsExhausted(frame)) exhausted++;
  }
  EXPECT_GE(exhausted, kCalls / 2);
  EXPECT_LT(exhausted, kCalls - 8);
  EXPECT_TRUE(Serves(peer, 2 << 16)) << "now that it has read";
}

}  // namespace
}  // namespace conformance
