#include "frame_peer.h"

#include <utility>

#include "transport/all_transports.h"

namespace fault {

using conformance::RawPeer;

Frame FrameOf(FrameType type, uint8_t flags, uint32_t stream, std::string_view body, uint64_t argument) {
  Frame frame;
  frame.header.type = type;
  frame.header.flags = flags;
  const bool control = type == FrameType::kHello || type >= FrameType::kCancel;
  frame.header.lane = control ? sidecall::Lane::kControl : sidecall::Lane::kData;
  frame.header.stream = stream;
  frame.header.argument = argument;
  frame.body = body;
  return frame;
}

Frame StartFrame(uint32_t stream, std::string_view method, std::string_view message) {
  constexpr uint8_t kFlags = FrameFlags::kMethodName | FrameFlags::kMessage | FrameFlags::kHalfClose;
  std::string body;
  sidecall::AppendMethodName(body, method);
  body += message;
  return FrameOf(FrameType::kStart, kFlags, stream, body);
}

Frame StreamStart(uint32_t stream, std::string_view key, std::string_view value) {
  std::string head;
  sidecall::AppendMethodName(head, kBidirectional);
  uint8_t flags = FrameFlags::kMethodName;
  if (!key.empty()) {
    sidecall::Metadata metadata;
    metadata.Add(key, value);
    flags |= FrameFlags::kMetadata;
    sidecall::AppendMetadata(head, metadata);
  }
  return FrameOf(FrameType::kStart, flags, stream, head);
}

Frame MessageFrame(uint32_t stream, std::string_view message) {
  return FrameOf(FrameType::kMessage, FrameFlags::kMessage, stream, message);
}

sidecall::Hello Greeting() {
  sidecall::Hello hello = RawPeer::Greeting();
  hello.initial_window = 1 << 16;
  return hello;
}

FramePeer::FramePeer(const std::string& address) {
  const auto parsed = sidecall::Address::Parse(address);
  if (!parsed.ok()) return;
  const auto transport = sidecall::FindTransport(*parsed);
  if (!transport.ok()) return;
  auto connection = (*transport)->Connect(*parsed, sidecall::TestDeadline(), -1);
  if (connection.ok()) end_ = std::make_unique<sidecall::End>(*std::move(connection));
}

bool FramePeer::SayHello(const sidecall::Hello& hello) {
  if (!connected() || !Send(FrameOf(FrameType::kHello, 0, 0, sidecall::EncodeHello(hello)))) return false;
  return Next(FrameType::kHello).has_value();
}

bool FramePeer::Send(const Frame& frame) {
  return connected() && end_->Send(frame.header, frame.body);
}

bool FramePeer::SendMany(const Frame& frame, int64_t count) {
  constexpr int64_t kAtOnce = 128;
  for (int64_t i = 1; i <= count; i++) {
    const bool flush = i % kAtOnce == 0 || i == count;
    const bool committed = connected() && !flush && end_->Commit(frame.header, frame.body);
    if (!committed && !Send(frame)) return false;
  }
  return true;
}

bool FramePeer::SendNow(const Frame& frame) {
  return connected() && end_->Commit(frame.header, frame.body) && end_->Flush();
}

std::optional<Frame> FramePeer::Next(std::optional<FrameType> type) {
  while (connected() && end_->AwaitFrames(taken_ + 1)) {
    sidecall::ReceivedFrame& frame = end_->frames[taken_++];
    if (!type.has_value() || frame.header.type == *type) return Frame{frame.header, std::move(frame.body)};
  }
  return std::nullopt;
}

testing::AssertionResult FramePeer::Serves(uint32_t stream) {
  Send(StartFrame(stream, kEcho, kNumber7));
  const auto frame = Next(FrameType::kEnd);
  if (!frame.has_value()) return testing::AssertionFailure() << "no answer";
  if (frame->header.stream != stream || frame->header.code != 0) {
    return testing::AssertionFailure() << "another answer, code " << frame->header.code;
  }
  if (frame->body != kNumber7) return testing::AssertionFailure() << "another reply";
  return testing::AssertionSuccess();
}

testing::AssertionResult HangsUpOn(const std::string& address, const std::vector<Frame>& frames,
                                   bool hello_first) {
  FramePeer peer(address);
  if (!peer.connected()) return testing::AssertionFailure() << "not connected";
  if (hello_first && !peer.SayHello()) return testing::AssertionFailure() << "no hello";
  for (const Frame& frame : frames) peer.Send(frame);
  if (!peer.HangsUp()) return testing::AssertionFailure() << "the server does not hang up";
  return testing::AssertionSuccess();
}

}  // namespace fault
