// FramePeer: a client that sends whatever frames a test wants, over any transport.
//
//   FramePeer peer(address);
//   ASSERT_TRUE(peer.SayHello());
//   peer.Send(StartFrame(1 << 16, kEcho, "\x10\x07"));
//   EXPECT_EQ(peer.Next()->header.type, FrameType::kEnd);
//
// One thread.
#ifndef SIDECALL_TESTS_FAULT_FRAME_PEER_H_
#define SIDECALL_TESTS_FAULT_FRAME_PEER_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "call_raw_peer.h"
#include "core/frame_codec.h"
#include "transport/frame.h"
#include "transport_end.h"

namespace fault {

using sidecall::FrameFlags;
using sidecall::FrameHeader;
using sidecall::FrameType;

inline constexpr char kEcho[] = "conformance.TestService/Echo";
inline constexpr char kSleep[] = "conformance.TestService/Sleep";
inline constexpr char kServerStream[] = "conformance.TestService/ServerStream";
inline constexpr char kBidirectional[] = "conformance.TestService/BidirectionalStream";
inline constexpr char kNumber7[] = "\x10\x07";  // an EchoMessage

struct Frame {
  FrameHeader header;
  std::string body;

  // As it is on a byte stream.
  std::string Bytes() const { return conformance::RawPeer::Bytes(header, body); }
};

// A frame on its lane.
Frame FrameOf(FrameType type, uint8_t flags, uint32_t stream, std::string_view body = "",
              uint64_t argument = 0);
// The START of a unary call.
Frame StartFrame(uint32_t stream, std::string_view method, std::string_view message);
// The START of a bidirectional call, with an entry of metadata where `key` is not empty.
Frame StreamStart(uint32_t stream, std::string_view key = "", std::string_view value = "");
Frame MessageFrame(uint32_t stream, std::string_view message);
// A hello that takes streams.
sidecall::Hello Greeting();

class FramePeer {
 public:
  explicit FramePeer(const std::string& address);

  bool connected() const { return end_ != nullptr; }
  // Sends this side's hello and takes the server's. False where there is none.
  bool SayHello(const sidecall::Hello& hello = Greeting());
  // False where there was no room, or the server has hung up.
  bool Send(const Frame& frame);
  // The same frame so many times, many at a time.
  bool SendMany(const Frame& frame, int64_t count);
  // Hands over nothing that waits for room, and never waits for it. False where there is none.
  bool SendNow(const Frame& frame);
  // The next frame of `type`, or of any; nothing where the server hung up.
  std::optional<Frame> Next(std::optional<FrameType> type = std::nullopt);
  // The server has hung up, and this was seen.
  bool closed() const { return end_->closed > 0; }
  // Waits for the server to hang up.
  bool HangsUp() { return connected() && end_->AwaitClosed(); }
  // A call by hand works.
  testing::AssertionResult Serves(uint32_t stream);

 private:
  std::unique_ptr<sidecall::End> end_;
  size_t taken_ = 0;
};

// The server hangs up on `frames`, sent after the hello, or instead of it.
testing::AssertionResult HangsUpOn(const std::string& address, const std::vector<Frame>& frames,
                                   bool hello_first = true);

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_FRAME_PEER_H_
