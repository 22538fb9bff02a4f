// FakeConnection: a Connection that keeps what is committed, feeds what a test gives it, and has as much room
// as the test says.
#ifndef SIDECALL_TESTS_UNIT_FAKE_CONNECTION_H_
#define SIDECALL_TESTS_UNIT_FAKE_CONNECTION_H_

#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport/transport.h"

namespace sidecall {

struct Frame {
  FrameHeader header;
  std::string body;
};

class FakeConnection final : public Connection {
 public:
  explicit FakeConnection(ConnectionLimits limits) : limits_(limits) {}

  // Slots that Reserve may still give out.
  size_t room = std::numeric_limits<size_t>::max();
  size_t flushes = 0;
  bool closed = false;
  std::vector<Frame> sent;
  // What Poll feeds, and whether as memory that is gone when OnFrame returns.
  std::deque<Frame> incoming;
  bool shared = false;
  WaitDescriptors descriptors;

  Slot Reserve(size_t size, Lane /*lane*/) override {
    if (room == 0) return {};
    if (room != std::numeric_limits<size_t>::max()) room--;
    auto* body = new std::string(size, '\xee');
    return {.body = body->data(), .size = size, .owner = body};
  }
  void Commit(const Slot& slot, const FrameHeader& header) override {
    std::unique_ptr<std::string> body(static_cast<std::string*>(slot.owner));
    body->resize(header.length);
    sent.push_back({header, std::move(*body)});
  }
  void Abandon(const Slot& slot) override { delete static_cast<std::string*>(slot.owner); }
  bool Flush() override {
    flushes++;
    return true;
  }
  size_t Poll(FrameSink& sink) override {
    size_t fed = 0;
    read_.clear();
    for (bool more = true; more && !incoming.empty() && !closed; fed++) {
      Frame frame = std::move(incoming.front());
      incoming.pop_front();
      frame.header.length = static_cast<uint32_t>(frame.body.size());
      // Exactly as large as the body, on the heap: a sanitizer sees a read past its end.
      auto bytes = std::make_unique<char[]>(frame.body.size());
      if (!frame.body.empty()) std::memcpy(bytes.get(), frame.body.data(), frame.body.size());
      more = sink.OnFrame(frame.header, {.bytes = bytes.get(), .size = frame.body.size(), .shared = shared});
      if (shared) {
        std::memset(bytes.get(), 0xdd, frame.body.size());
      } else {
        read_.push_back(std::move(bytes));
      }
    }
    return fed;
  }
  bool Arm() override { return incoming.empty(); }
  void Disarm(const ReadyDescriptors& /*told*/) override {}
  WaitDescriptors wait_descriptors() const override { return descriptors; }
  const PeerIdentity& peer() const override { return peer_; }
  ConnectionLimits limits() const override { return limits_; }
  void Close() override { closed = true; }

 private:
  const ConnectionLimits limits_;
  const PeerIdentity peer_;
  std::vector<std::unique_ptr<char[]>> read_;
};

}  // namespace sidecall

#endif  // SIDECALL_TESTS_UNIT_FAKE_CONNECTION_H_
