#include "tests/conformance/transport_end.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace sidecall {

bool End::Commit(FrameHeader header, const std::string& body) {
  const std::lock_guard lock(write_mutex_);
  // A header may name a lane that there is not, for a receiver to refuse.
  const Lane lane = static_cast<size_t>(header.lane) < kLanes ? header.lane : Lane::kData;
  const Slot slot = connection_->Reserve(body.size(), lane);
  if (slot.body == nullptr) return false;
  if (!body.empty()) std::memcpy(slot.body, body.data(), body.size());
  header.length = static_cast<uint32_t>(body.size());
  connection_->Commit(slot, header);
  return true;
}

bool End::Flush() {
  const std::lock_guard lock(write_mutex_);
  return connection_->Flush();
}

bool End::Send(const FrameHeader& header, const std::string& body) {
  const int64_t deadline = TestDeadline();
  while (!Commit(header, body)) {
    Flush();
    if (closed > 0 || (Poll() == 0 && !Sleep(deadline))) return false;
  }
  Flush();
  return true;
}

size_t End::Poll() {
  FrameSink& sink = *this;
  return connection_->Poll(sink);
}

bool End::Sleep(int64_t deadline_nanos) {
  if (!connection_->Arm()) return MonotonicNanos() < deadline_nanos;
  const WaitDescriptors wait = connection_->wait_descriptors();
  const bool first = events_ == nullptr;
  if (first) events_ = *MakeEpollEventLoop();
  for (size_t i = 0; i < wait.count; i++) {
    const pollfd& item = wait.items[i];
    if (first) {
      EXPECT_TRUE(events_->Add(item.fd, item.events, i + 1).ok());
    } else if (item.events != watched_.items[i].events) {
      EXPECT_TRUE(events_->Modify(item.fd, item.events, i + 1).ok());
    }
  }
  watched_ = wait;
  std::vector<EventLoop::Ready> reports;
  events_->Wait(deadline_nanos, reports);
  connection_->Disarm(WhatTold(reports));
  return MonotonicNanos() < deadline_nanos;
}

ReadyDescriptors End::WhatTold(const std::vector<EventLoop::Ready>& reports) {
  ReadyDescriptors told;
  for (const EventLoop::Ready& report : reports) {
    const uint32_t bit = 1u << (report.token - 1);
    told.ready |= bit;
    if (report.ended) told.ended |= bit;
  }
  return told;
}

bool End::Await(const std::function<bool()>& done, int64_t deadline_nanos) {
  while (!done()) {
    const int closed_before = closed;
    if (Poll() > 0 || closed != closed_before || done()) continue;
    Flush();
    if (closed > 0 || !Sleep(deadline_nanos)) return false;
  }
  return true;
}

bool End::AwaitFrames(size_t count) {
  return Await([this, count] { return frames.size() >= count; });
}

bool End::AwaitClosed() {
  return Await([this] { return closed > 0; });
}

bool End::OnFrame(const FrameHeader& header, const FrameBody& body) {
  if (closed > 0) after_closed++;
  if (!body.shared) {
    // Rule 12, which the address sanitizer holds them to.
    for (size_t i = 0; i < kReadableBehind; i++) {
      (void)*static_cast<const volatile char*>(body.bytes + body.size + i);
    }
  }
  frames.push_back({header, std::string(body.bytes, body.size)});
  return frames.size() < stop_after;
}

void End::OnClosed(const absl::Status& status) {
  if (closed > 0) after_closed++;
  closed++;
  why = status;
}

FrameHeader NumberedHeader(uint32_t stream, Lane lane, uint64_t number) {
  FrameHeader header;
  header.type = FrameType::kMessage;
  header.flags = static_cast<uint8_t>(number);
  header.lane = lane;
  header.stream = stream;
  header.code = static_cast<uint32_t>(number * 3);
  header.argument = number;
  return header;
}

std::string BodyOf(uint64_t number, size_t size) {
  std::string body(size, '\0');
  for (size_t i = 0; i < size; i++) body[i] = static_cast<char>(number * 31 + i + (i >> 8));
  return body;
}

}  // namespace sidecall
