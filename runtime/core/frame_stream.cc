#include "core/frame_stream.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_payloads.h"
#include "sidecall/internal/parse_message.h"

namespace sidecall {
namespace {

// Memory that a stream keeps for its next messages, and an index for its next stream.
constexpr size_t kKeptInStream = 512u << 10;
constexpr size_t kKeptInIndex = 16u << 10;

absl::Status TooLarge(uint64_t size) {
  return absl::ResourceExhaustedError(absl::StrCat("a message of ", size, " bytes"));
}

absl::Status WithoutWindow() {
  return absl::DataLossError("a message that was begun without window");
}

}  // namespace

char* FrameStream::Messages::Grow(size_t more) {
  if (const size_t wanted = size + more + internal::kReadableBehindMessage; wanted > capacity) {
    const size_t larger = std::max({wanted, 2 * capacity, size_t{4096}});
    auto grown = std::make_unique_for_overwrite<char[]>(larger);
    if (size > 0) std::memcpy(grown.get(), bytes.get(), size);
    bytes = std::move(grown);
    capacity = larger;
  }
  return bytes.get() + std::exchange(size, size + more);
}

void FrameStream::Messages::Append(std::string_view message) {
  const auto length = static_cast<uint32_t>(message.size());
  char* to = Grow(sizeof length + message.size());
  std::memcpy(to, &length, sizeof length);
  if (!message.empty()) std::memcpy(to + sizeof length, message.data(), message.size());
}

void FrameStream::Messages::Clear(size_t kept) {
  size = 0;
  if (capacity > kept) {
    bytes.reset();
    capacity = 0;
  }
}

void FrameStream::Begin(uint32_t send_window, uint32_t receive_window) {
  flags_.store(0, std::memory_order_relaxed);
  if (!why_broken_.ok()) why_broken_ = absl::OkStatus();
  received_ = 0;
  filled_.Clear(kKeptInIndex);
  filled_bytes_.store(0, std::memory_order_relaxed);
  taken_.Clear(kKeptInIndex);
  taken_at_ = 0;
  taken_bytes_.store(0, std::memory_order_relaxed);
  expected_ = nullptr;
  expected_taken_ = Taken::kNothing;
  received_tally_ = {};
  unreturned_ = 0;
  return_at_ = receive_window / 2;
  granted_.store(receive_window, std::memory_order_relaxed);
  look_at_ = low_window_ = send_window / 2;
  burst_.Clear();
  consumer_.Cancel();
  producer_.Cancel();
  sent_tally_ = {};
  // In this order: to a WINDOW that comes late for the stream before, there is too little window, not too
  // much.
  given_.store(send_window, std::memory_order_relaxed);
  spent_.store(0, std::memory_order_release);
}

absl::Status FrameStream::CheckMessageBegins() const {
  if (received_ >= granted_.load(std::memory_order_acquire)) {
    return WithoutWindow();
  }
  if ((flags_.load(std::memory_order_acquire) & (kReceivedAll | kOver)) == kReceivedAll) {
    return absl::DataLossError("a message behind the one that said to be the last");
  }
  return absl::OkStatus();
}

absl::Status FrameStream::OnMessage(const FrameHeader& header, std::string_view body, uint64_t max_message,
                                    bool own) {
  absl::Status received;
  if (header.has(FrameFlags::kSeveral)) {
    received = ReceiveSeveral(body, max_message);
  } else if (header.has(FrameFlags::kMessage)) {
    received = body.size() <= max_message ? Receive(body, own) : TooLarge(body.size());
  } else if (!body.empty()) {
    return absl::DataLossError("bytes that are of no section");
  }
  if (!received.ok()) return received;
  if (header.has(FrameFlags::kHalfClose)) {
    EndReceiving();
  } else {
    consumer_.Wake();
  }
  return absl::OkStatus();
}

absl::Status FrameStream::Receive(std::string_view message, bool own) {
  absl::Status begins = CheckMessageBegins();
  if (!begins.ok()) return begins;
  received_ += static_cast<int64_t>(message.size()) + kMessageCost;
  if (own && expected_ != nullptr && filled_bytes_.load(std::memory_order_relaxed) == 0) {
    expected_taken_ = Parse(*std::exchange(expected_, nullptr), message);
    return absl::OkStatus();
  }
  const std::lock_guard lock(mutex_);
  filled_.Append(message);
  filled_bytes_.store(filled_.size, std::memory_order_seq_cst);
  return absl::OkStatus();
}

// They are kept as they came, once each size has been looked at.
absl::Status FrameStream::ReceiveSeveral(std::string_view body, uint64_t max_message) {
  if (body.empty()) return absl::OkStatus();
  absl::Status begins = CheckMessageBegins();
  if (!begins.ok()) return begins;
  // The peer was told of no more before it sent this.
  const int64_t granted = granted_.load(std::memory_order_acquire);
  int64_t received = received_;
  for (std::string_view left = body; !left.empty();) {
    uint32_t size = 0;
    if (left.size() >= sizeof size) std::memcpy(&size, left.data(), sizeof size);
    if (left.size() < sizeof size || size > left.size() - sizeof size) {
      return absl::DataLossError("a message among several that is longer than their frame");
    }
    if (size > max_message) return TooLarge(size);
    if (received >= granted) return WithoutWindow();
    received += int64_t{size} + kMessageCost;
    left.remove_prefix(sizeof size + size);
  }
  received_ = received;
  const std::lock_guard lock(mutex_);
  std::memcpy(filled_.Grow(body.size()), body.data(), body.size());
  filled_bytes_.store(filled_.size, std::memory_order_seq_cst);
  return absl::OkStatus();
}

void FrameStream::Burst::Allocate() {
  bytes_ = std::make_unique_for_overwrite<char[]>(kCapacity);
}

void FrameStream::Burst::Flush(Send send) {
  if (empty()) return;
  const std::lock_guard lock(mutex_);
  if (!empty()) SendUnsent(send);
}

void FrameStream::Burst::End(Send send) {
  const std::lock_guard lock(mutex_);
  SendUnsent(send);
  Clear();
}

void FrameStream::Burst::SendUnsent(Send send) {
  const size_t sent = sent_.load(std::memory_order_relaxed);
  const size_t added = added_.load(std::memory_order_acquire);
  send({bytes_.get() + sent, added - sent});
  // Not before: who finds the burst empty sends the next message past it.
  sent_.store(added, std::memory_order_release);
}

void FrameStream::Burst::Clear() {
  sent_.store(0, std::memory_order_relaxed);
  added_.store(0, std::memory_order_relaxed);
}

absl::Status FrameStream::OnWindow(uint64_t bytes) {
  // What the peer gives back it has received: that it was spent is seen here by then.
  if (bytes > kMaxWindow || static_cast<int64_t>(bytes) > kMaxWindow - window(std::memory_order_relaxed)) {
    return absl::DataLossError(absl::StrCat("a window that grew beyond ", kMaxWindow, " bytes"));
  }
  given_.fetch_add(static_cast<int64_t>(bytes), std::memory_order_seq_cst);
  producer_.Wake();
  return absl::OkStatus();
}

void FrameStream::Break(const absl::Status& why) {
  {
    const std::lock_guard lock(mutex_);
    if (why_broken_.ok()) why_broken_ = OwnCopy(why);
  }
  SetFlags(kReceivedAll | kOver | kBroken);
}

absl::Status FrameStream::why_broken() {
  const std::lock_guard lock(mutex_);
  return OwnCopy(why_broken_);
}

void FrameStream::SetFlags(uint32_t flags) {
  flags_.fetch_or(flags, std::memory_order_seq_cst);
  WakeAll();
}

void FrameStream::WakeAll() {
  consumer_.Wake();
  producer_.Wake();
}

FrameStream::Taken FrameStream::Parse(internal::MessageTarget& target, std::string_view message) {
  unreturned_ += static_cast<int64_t>(message.size()) + kMessageCost;
  last_message_bytes_ = message.size();
  return target.Parse(message.data(), message.size()) ? Taken::kMessage : Taken::kMalformed;
}

FrameStream::Taken FrameStream::Take(internal::MessageTarget& target) {
  if (taken_at_ == taken_.size) {
    taken_.Clear(kKeptInStream);
    taken_at_ = 0;
    // In this order: what was there before the end is there now.
    const bool all = HasFlag(kReceivedAll);
    if (filled_bytes_.load(std::memory_order_seq_cst) == 0) {
      taken_bytes_.store(0, std::memory_order_relaxed);
      return all ? Taken::kEnd : Taken::kNothing;
    }
    const std::lock_guard lock(mutex_);
    std::swap(taken_, filled_);
    filled_bytes_.store(0, std::memory_order_relaxed);
    taken_bytes_.store(taken_.size, std::memory_order_release);
  }
  uint32_t size = 0;
  std::memcpy(&size, taken_.bytes.get() + taken_at_, sizeof size);
  const char* bytes = taken_.bytes.get() + taken_at_ + sizeof size;
  taken_at_ += sizeof size + size;
  return Parse(target, {bytes, size});
}

FrameStream::Taken FrameStream::TakeExpected(internal::MessageTarget& target) {
  expected_ = nullptr;
  const Taken taken = std::exchange(expected_taken_, Taken::kNothing);
  return taken != Taken::kNothing ? taken : Take(target);
}

}  // namespace sidecall
