#include "stream_end.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace bench {
namespace {

// As much as an RPC system has to say of a message; the length is all that is filled in.
constexpr size_t kHeaderBytes = 32;
constexpr size_t kBufferBytes = size_t{4} << 20;
constexpr size_t kLeastRead = size_t{1} << 16;
// Of small messages that may wait for others, written at once when half of it is full.
constexpr size_t kBurst = size_t{64} << 10;

uint32_t LengthAt(const char* header) {
  uint32_t length;
  std::memcpy(&length, header, sizeof length);
  return length;
}

}  // namespace

absl::Status StreamEnd::Send(const EchoMessage& message, bool more) {
  const uint32_t body = static_cast<uint32_t>(message.ByteSizeLong());
  const size_t bytes = kHeaderBytes + body;
  char* start = sent_.Reserve(std::max(burst_ + bytes, kBurst));
  char* at = start + burst_;
  std::memcpy(at, &body, sizeof body);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(at + kHeaderBytes));
  burst_ += bytes;
  if (more && burst_ < kBurst / 2) return absl::OkStatus();
  for (size_t done = 0; done < burst_;) {
    const ssize_t put = calls_.write(out_, start + done, burst_ - done);
    if (put > 0) {
      done += static_cast<size_t>(put);
    } else if (errno != EAGAIN && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "write");
    }
  }
  burst_ = 0;
  sent_.KeepClearOf(message.payload().data(), message.payload().size(), at + kHeaderBytes);
  return absl::OkStatus();
}

absl::Status StreamEnd::Receive(EchoMessage* message) {
  if (unread_ == nullptr) unread_ = received_.Reserve(kBufferBytes);
  while (!HasMessage()) {
    if (absl::Status status = ReadMore(); !status.ok()) return status;
  }
  const uint32_t body = LengthAt(unread_ + used_);
  const char* start = unread_ + used_ + kHeaderBytes;
  message->ParseFromArray(start, static_cast<int>(body));
  used_ += kHeaderBytes + body;
  if (used_ == have_) {
    used_ = have_ = 0;
    received_.KeepClearOf(message->payload().data(), message->payload().size(), start);
    unread_ = received_.Reserve(kBufferBytes);
  }
  return absl::OkStatus();
}

bool StreamEnd::HasMessage() const {
  const size_t have = have_ - used_;
  return have >= kHeaderBytes && have >= kHeaderBytes + LengthAt(unread_ + used_);
}

absl::Status StreamEnd::ReadMore() {
  if (kBufferBytes - have_ < kLeastRead) {
    std::memmove(unread_, unread_ + used_, have_ - used_);
    have_ -= used_;
    used_ = 0;
  }
  const ssize_t got = calls_.read(in_, unread_ + have_, kBufferBytes - have_);
  if (got > 0) {
    have_ += static_cast<size_t>(got);
  } else if (got == 0) {
    return absl::UnavailableError("the other end is closed");
  } else if (errno != EAGAIN && errno != EINTR) {
    return absl::ErrnoToStatus(errno, "read");
  }
  return absl::OkStatus();
}

}  // namespace bench
