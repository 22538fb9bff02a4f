#include "core/client_call.h"

#include <new>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/frame_codec.h"
#include "core/handshake.h"
#include "core/pending_call.h"
#include "core/status_payloads.h"
#include "sidecall/client_context.h"

namespace sidecall {
namespace {

// A status whose text there is no memory for.
absl::Status NoMemoryFor(absl::StatusCode code) {
  return {code, ""};
}

}  // namespace

absl::Status LeftByCaller(const internal::Method& method, const ClientContext& context) {
  const std::string name(method.full_name());
  return context.cancelled()
             ? absl::CancelledError(absl::StrCat(name, ": the caller cancelled the call"))
             : absl::DeadlineExceededError(absl::StrCat(name, ": no reply before the deadline"));
}

ClientCall::ClientCall(uint32_t index) : index_(index) {}

ClientCall::~ClientCall() = default;

uint32_t ClientCall::Begin(const internal::Method& method, ClientContext& context,
                           internal::MessageTarget* reply) {
  generation_ = generation_ == UINT16_MAX ? 1 : generation_ + 1;
  const uint32_t stream = generation_ << 16 | index_;
  stream_.store(stream, std::memory_order_relaxed);
  method_.store(&method, std::memory_order_relaxed);
  context_ = &context;
  reply_ = reply;
  if (streaming_.load(std::memory_order_relaxed) != nullptr) streaming_.store(nullptr);
  caller_.Cancel();
  state_.store(State::kWaiting, std::memory_order_release);
  return stream;
}

uint32_t ClientCall::BeginPending(const internal::Method& method, ClientContext& context,
                                  google::protobuf::MessageLite& reply) {
  return Begin(method, context, &pending_reply_.emplace(reply));
}

uint32_t ClientCall::BeginStreaming(const internal::Method& method, ClientContext& context,
                                    internal::MessageTarget* reply, uint32_t send_window,
                                    uint32_t receive_window) {
  if (frame_stream_ == nullptr) frame_stream_ = std::make_unique<FrameStream>();
  frame_stream_->Begin(send_window, receive_window);
  metadata_taken_.store(false, std::memory_order_relaxed);
  const uint32_t stream = Begin(method, context, reply);
  // Nothing of the stream arrives before its START has been sent.
  streaming_.store(frame_stream_.get(), std::memory_order_release);
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
  // What a reader of the stream finds behind its end, the context's metadata for one, is there by now.
  if (FrameStream* stream = streaming(); stream != nullptr) stream->End();
  // The caller may take the call and begin another at once: nothing but the wake-up word is touched after
  // this.
  state_.store(State::kDone, std::memory_order_seq_cst);
  caller_.Wake();
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
  try {
    constexpr uint8_t kSections = FrameFlags::kMetadata | FrameFlags::kStatus | FrameFlags::kMessage;
    const bool message_alone = header.code == 0 && (header.flags & kSections) == FrameFlags::kMessage;
    if (message_alone && reply_ != nullptr && body.size() <= max_message &&
        reply_->Parse(body.data(), body.size())) [[likely]] {
      status_ = absl::OkStatus();
      context_->measure().bytes_received = body.size();
    } else {
      decoded = TakeEnd(header, body, max_message);
    }
  } catch (const std::bad_alloc&) {
    // Once claimed, nobody else ends it.
    status_ = NoMemoryFor(absl::StatusCode::kResourceExhausted);
  }
  FinishClaimed(own);
  return decoded;
}

absl::Status ClientCall::TakeEnd(const FrameHeader& header, std::string_view body, uint64_t max_message) {
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
  if (decoded.ok() && reply_ == nullptr && header.has(FrameFlags::kMessage)) [[unlikely]] {
    decoded = absl::DataLossError("a message in the end of a stream of them");
  }
  if (absl::IsResourceExhausted(decoded)) {
    status_ =
        std::exchange(decoded, absl::OkStatus());  // More metadata than is taken: no fault of the frame's.
  } else if (!decoded.ok()) {
    status_ = absl::UnavailableError(absl::StrCat("the server's answer is malformed: ", decoded.message()));
  } else if (status_.ok() && body.size() > max_message) {
    status_ = ReplyTooLarge(method(), body.size(), max_message);
  } else if (status_.ok() && reply_ != nullptr &&
             (!header.has(FrameFlags::kMessage) || !reply_->Parse(body.data(), body.size()))) {
    status_ = absl::InternalError(
        absl::StrCat("the reply to ", std::string(method().full_name()),
                     header.has(FrameFlags::kMessage)
                         ? " cannot be parsed: is the server built from another .proto, or a string no UTF-8?"
                         : " has no message"));
  }
  if (status_.ok() && reply_ != nullptr) context_->measure().bytes_received = body.size();
  return decoded;
}

void ClientCall::Fail(const absl::Status& status, bool own) {
  const State state = state_.load(std::memory_order_acquire);
  if (state == State::kFree || state == State::kDone || !Claim(own)) return;
  try {
    status_ = OwnCopy(status);
  } catch (const std::bad_alloc&) {
    status_ = NoMemoryFor(status.code());
  }
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

bool ClientCall::WakeToRead() {
  if (caller_.Wake()) return true;
  FrameStream* stream = streaming();
  return stream != nullptr && (stream->consumer().Wake() || stream->producer().Wake());
}

absl::Status ClientCall::TakeInitialMetadata(std::string_view body) {
  // Not Claim, which frees a call that was abandoned: its END is still to come.
  State expected = State::kWaiting;
  if (!state_.compare_exchange_strong(expected, State::kCompleting, std::memory_order_acq_rel)) {
    return absl::OkStatus();
  }
  absl::Status taken;
  try {
    if (has_initial_metadata()) {
      taken = absl::DataLossError("initial metadata twice");
    } else {
      taken = TakeMetadata(body, context_->mutable_server_initial_metadata());
    }
    if (taken.ok() && !body.empty()) taken = absl::DataLossError("bytes that are of no section");
  } catch (const std::bad_alloc&) {
    taken = NoMemoryFor(absl::StatusCode::kResourceExhausted);
  }
  Unclaim();
  metadata_taken_.store(true, std::memory_order_seq_cst);
  streaming()->WakeAll();
  return taken;
}

}  // namespace sidecall
