#include "core/server_call.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/frame_codec.h"
#include "core/server_session.h"
#include "core/status_payloads.h"
#include "transport/clock.h"

namespace sidecall {

void FrameServerCall::Begin(uint32_t stream, const Dispatcher::Entry& entry, int64_t deadline_nanos,
                            bool method_known) {
  stream_.store(stream, std::memory_order_relaxed);
  entry_ = &entry;
  deadline_nanos_ = deadline_nanos;
  method_known_ = method_known;
  context_.Start(session_.peer(), deadline_nanos);
  open_.store(true, std::memory_order_release);
}

void FrameServerCall::Run(BeforeHandler& before) {
  before_ = &before;
  entry_->handler(*entry_->service, *this);
}

absl::Status FrameServerCall::ReceiveMessage(internal::MessageTarget& request) {
  const bool parsed = request.Parse(request_.data(), request_.size());
  before_->OnRequestParsed();
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request to ", std::string(method().full_name()),
                     " cannot be parsed: is the client built from another .proto, or a string no UTF-8?"));
  }
  if (deadline_nanos_ != 0 && MonotonicNanos() >= deadline_nanos_) {
    return absl::DeadlineExceededError("the deadline passed before the handler could start");
  }
  return absl::OkStatus();
}

void FrameServerCall::Finish(const absl::Status& status, const internal::MessageSource* reply) {
  if (!status.ok() && deadline_nanos_ != 0 && MonotonicNanos() >= deadline_nanos_ &&
      !absl::IsDeadlineExceeded(status)) {
    // However the handler put it: the client's clock may be a little behind, and would take it at its word.
    Finish(absl::DeadlineExceededError("the deadline passed while the handler ran"), nullptr);
    return;
  }
  FrameHeader header;
  header.type = FrameType::kEnd;
  header.stream = stream();
  if (!status.ok()) header.code = static_cast<uint32_t>(status.code());
  if (method_known_) header.flags |= FrameFlags::kMethodKnown;
  if (reply != nullptr) header.flags |= FrameFlags::kMessage;
  if (status.ok() && context_.initial_metadata().empty() && context_.trailing_metadata().empty()) [[likely]] {
    session_.SendEnd(*this, header, {}, reply);
    return;
  }
  absl::Status valid = context_.initial_metadata().Validate();
  if (valid.ok()) valid = context_.trailing_metadata().Validate();
  std::string head;
  if (!valid.ok()) {
    header.code = static_cast<uint32_t>(absl::StatusCode::kInternal);
    header.flags = static_cast<uint8_t>((header.flags & ~FrameFlags::kMessage) | FrameFlags::kStatus);
    AppendStatus(head, absl::InternalError(absl::StrCat("the handler's ", valid.message())), {});
    session_.SendEnd(*this, header, head, nullptr);
    return;
  }
  if (!context_.initial_metadata().empty()) {
    header.flags |= FrameFlags::kMetadata;
    AppendMetadata(head, context_.initial_metadata());
  }
  header.flags |= FrameFlags::kStatus;
  AppendStatus(head, WithoutNotSent(status), context_.trailing_metadata());
  session_.SendEnd(*this, header, head, reply);
}

}  // namespace sidecall
