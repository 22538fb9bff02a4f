// TestRing: both ends of a ring in ordinary memory, and a sink that keeps what comes out.
#ifndef SIDECALL_TESTS_UNIT_TEST_RING_H_
#define SIDECALL_TESTS_UNIT_TEST_RING_H_

#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <new>
#include <string>

#include "transports/shm/ring.h"

namespace sidecall {

class KeepingSink final : public FrameSink {
 public:
  bool OnFrame(const FrameHeader& header, const FrameBody& body) override {
    headers.push_back(header);
    bodies.emplace_back(body.bytes, body.size);
    return bodies.size() < stop_after;
  }
  void OnClosed(const absl::Status& /*why*/) override {}

  size_t stop_after = std::numeric_limits<size_t>::max();
  std::deque<FrameHeader> headers;
  std::deque<std::string> bodies;
};

struct TestRing {
  static constexpr uint64_t kKey = 0x1122334455667788;

  // Just as large as the ring, on the heap: a sanitizer sees an access past its end.
  explicit TestRing(size_t capacity)
      : data(static_cast<char*>(::operator new (capacity, std::align_val_t{64}))),
        producer(&control, data.get(), capacity, kKey),
        consumer(&control, data.get(), capacity, kKey) {
    std::memset(data.get(), 0, capacity);
  }

  // False where there is no room.
  bool Produce(const std::string& body, FrameType type = FrameType::kMessage) {
    char* to = producer.Reserve(body.size());
    if (to == nullptr) return false;
    std::memcpy(to, body.data(), body.size());
    FrameHeader header;
    header.type = type;
    header.length = static_cast<uint32_t>(body.size());
    producer.Commit(header);
    return true;
  }

  struct Free {
    void operator()(char* bytes) const { ::operator delete (bytes, std::align_val_t{64}); }
  };
  RingControl control{};
  std::unique_ptr<char, Free> data;
  RingProducer producer;
  RingConsumer consumer;
};

}  // namespace sidecall

#endif  // SIDECALL_TESTS_UNIT_TEST_RING_H_
