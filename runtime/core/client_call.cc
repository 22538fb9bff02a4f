#include "core/client_call.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/frame_codec.h"
#include "core/futex.h"
#include "core/handshake.h"
#include "sidecall/client_context.h"

namespace sidecall {

uint32_t ClientCall::Begin(const internal::Method& method, ClientContext& context,
                           internal::MessageTarget& reply) {
  generation_ = generation_ == UINT16_MAX ? 1 : generation_ + 1;
  const uint32_t stream = generation_ << 16 | index_;
  stream_.store(stream, std::memory_order_relaxed);
  method_.store(&method, std::memory_order_relaxed);
  context_ = &context;
  reply_ = &reply;
  wake_.store(kAwake, std::memory_order_relaxed);
  state_.store(State::kWaiting, std::memory_order_release);
  return stream;
}

absl::Status ClientCall::Take() {
  absl::Status status = std::move(status_);
  state_.store(State::kFree, std::memory_order_release);
  return status;
}

bool ClientCall::Claim(bool own) {
  // Only the caller abandons, and that is who reads.
  if (own) return state_.load(std::memory_order_relaxed) == State::kWaiting;
  State expected = State::kWaiting;
  if (state_.compare_exchange_strong(expected, State::kCompleting, std::memory_order_acq_rel)) return true;
  if (expected == State::kAbandoned) state_.store(State::kFree, std::memory_order_release);
  return false;
}

void ClientCall::FinishClaimed(bool own) {
  if (own) {
    state_.store(State::kDone, std::memory_order_relaxed);
    return;
  }
  // The caller may take the call and begin another at once: nothing but the wake-up word is touched after
  // this.
  state_.store(State::kDone, std::memory_order_seq_cst);
  if (wake_.load(std::memory_order_seq_cst) == kAsleep) WakeToRead();
}

absl::Status ClientCall::CompleteWith(const FrameHeader& header, std::string_view body, uint64_t max_message,
                                      bool own) {
  if (!Claim(own)) return absl::OkStatus();
  if (stream() != header.stream) [[unlikely]] {
    // Found by its stream, and begun anew before it was claimed: the server answered a call twice.
    Unclaim();
    return absl::DataLossError(absl::StrCat("the server answered stream ", header.stream, " twice"));
  }
  absl::Status decoded;
  if (header.has(FrameFlags::kMetadata)) {
    decoded = TakeMetadata(body, context_->mutable_server_initial_metadata());
  }
  if (decoded.ok() && header.has(FrameFlags::kStatus)) {
    decoded = TakeStatus(body, header.code, status_, context_->mutable_server_trailing_metadata());
  } else if (decoded.ok()) {
    status_ = StatusOfCode(header.code);
  }
  if (decoded.ok() && !body.empty() && !header.has(FrameFlags::kMessage)) {
    decoded = absl::DataLossError("bytes that are of no section");
  }
  if (absl::IsResourceExhausted(decoded)) {
    status_ =
        std::exchange(decoded, absl::OkStatus());  // More metadata than is taken: no fault of the frame's.
  } else if (!decoded.ok()) {
    status_ = absl::UnavailableError(absl::StrCat("the server's answer is malformed: ", decoded.message()));
  } else if (status_.ok() && body.size() > max_message) {
    status_ = ReplyTooLarge(method(), body.size(), max_message);
  } else if (status_.ok() &&
             (!header.has(FrameFlags::kMessage) || !reply_->Parse(body.data(), body.size()))) {
    status_ = absl::InternalError(
        absl::StrCat("the reply to ", std::string(method().full_name()),
                     header.has(FrameFlags::kMessage)
                         ? " cannot be parsed: is the server built from another .proto, or a string no UTF-8?"
                         : " has no message"));
  }
  FinishClaimed(own);
  return decoded;
}

void ClientCall::Fail(const absl::Status& status, bool own) {
  const State state = state_.load(std::memory_order_acquire);
  if (state == State::kFree || state == State::kDone || !Claim(own)) return;
  status_ = status;
  FinishClaimed(own);
}

bool ClientCall::Abandon() {
  for (;;) {
    State expected = State::kWaiting;
    if (state_.compare_exchange_strong(expected, State::kAbandoned, std::memory_order_acq_rel)) return true;
    if (expected == State::kDone) return false;
    std::this_thread::yield();  // Another thread is parsing the reply right now.
  }
}

void ClientCall::Sleep(int64_t deadline_nanos) {
  FutexWait(wake_, kAsleep, deadline_nanos);
}

bool ClientCall::WakeToRead() {
  uint32_t asleep = kAsleep;
  if (!wake_.compare_exchange_strong(asleep, kAwake, std::memory_order_seq_cst)) return false;
  FutexWakeOne(wake_);
  return true;
}

}  // namespace sidecall
