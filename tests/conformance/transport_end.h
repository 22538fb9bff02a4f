// End: one end of a connection as a test uses it: sends, receives, and waits for whatever is to come, with a
// deadline.
//
// Threads: Commit and Flush from any, as it holds the write lock itself; all else from one.
#ifndef SIDECALL_TESTS_CONFORMANCE_TRANSPORT_END_H_
#define SIDECALL_TESTS_CONFORMANCE_TRANSPORT_END_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "transport/clock.h"
#include "transport/event_loop.h"
#include "transport/transport.h"

namespace sidecall {

// No wait of these tests lasts longer where the transport keeps its contract.
inline int64_t TestDeadline() {
  return MonotonicNanos() + 30'000'000'000;
}

struct ReceivedFrame {
  FrameHeader header;
  std::string body;
};

class End final : private FrameSink {
 public:
  explicit End(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  // False where there is no room; nothing is handed over before Flush.
  bool Commit(FrameHeader header, const std::string& body);
  // Commits and hands over, and waits for room where there is none. False where there was none before the
  // deadline.
  bool Send(const FrameHeader& header, const std::string& body);
  bool Flush();

  // Polls once. Returns frames fed.
  size_t Poll();
  // Arms, sleeps on the wait descriptors until one is ready, disarms. False where the deadline came first.
  bool Sleep(int64_t deadline_nanos = TestDeadline());
  // Of a loop in which the token of wait descriptor i is i + 1.
  static ReadyDescriptors WhatTold(const std::vector<EventLoop::Ready>& reports);
  // Polls, sleeping where there is nothing, until `done`. False where the deadline came first.
  bool Await(const std::function<bool()>& done, int64_t deadline_nanos = TestDeadline());
  bool AwaitFrames(size_t count);
  bool AwaitClosed();

  Connection& connection() { return *connection_; }
  // Ends it as a crash would: without Close.
  void Drop() { connection_.reset(); }

  std::vector<ReceivedFrame> frames;
  size_t stop_after = std::numeric_limits<size_t>::max();  // the sink asks Poll to return when it has as many
  int closed = 0;
  int after_closed = 0;  // calls of the sink after OnClosed
  absl::Status why;

 private:
  bool OnFrame(const FrameHeader& header, const FrameBody& body) override;
  void OnClosed(const absl::Status& status) override;

  std::unique_ptr<Connection> connection_;
  std::unique_ptr<EventLoop> events_;  // made when first needed
  WaitDescriptors watched_;
  std::mutex write_mutex_;
};

// A header of `stream` on `lane` that carries `number`.
FrameHeader NumberedHeader(uint32_t stream, Lane lane, uint64_t number);
// `size` bytes that depend on `number`.
std::string BodyOf(uint64_t number, size_t size);

}  // namespace sidecall

#endif  // SIDECALL_TESTS_CONFORMANCE_TRANSPORT_END_H_
