#include "core/server_call.h"

#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/access.h"
#include "core/call_counters.h"
#include "core/frame_codec.h"
#include "core/server_session.h"
#include "core/status_payloads.h"
#include "core/tracing.h"
#include "sidecall/internal/handler.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

absl::Status LateHandler() {
  return absl::DeadlineExceededError("the deadline passed while the handler ran");
}

absl::Status CancelledInHandler() {
  return absl::CancelledError("the call was cancelled while the handler ran");
}

absl::Status CancelledByHandler() {
  return absl::CancelledError("the handler cancelled the call");
}

}  // namespace

int64_t FrameServerCall::WaitDeadline() const {
  return deadline_nanos_ == 0 ? kInfiniteFutureNanos : deadline_nanos_;
}

bool FrameServerCall::PastDeadline() const {
  return deadline_nanos_ != 0 && HasPassed(deadline_nanos_);
}

void FrameServerCall::Begin(const FrameHeader& start, const Dispatcher::Entry& entry, int64_t deadline_nanos,
                            bool method_known, uint32_t send_window) {
  stream_.store(start.stream, std::memory_order_relaxed);
  lane_ = start.lane;
  entry_ = &entry;
  deadline_nanos_ = deadline_nanos;
  method_known_ = method_known;
  initial_metadata_sent_ = false;
  last_written_ = false;
  notified_.store(false, std::memory_order_relaxed);
  claimed_.store(false, std::memory_order_relaxed);
  cancelled_by_handler_.store(false, std::memory_order_relaxed);
  measure_ = {};
  context_.Start(this, session_.peer(), deadline_nanos,
                 lane_ == Lane::kUrgent ? CallPriority::kUrgent : CallPriority::kNormal);
  streaming_ = entry.method->kind() != internal::MethodKind::kUnary;
  if (streaming_) {
    if (frame_stream_ == nullptr) frame_stream_ = std::make_unique<FrameStream>();
    frame_stream_->Begin(send_window, kInitialWindow);
  }
  open_.store(true, std::memory_order_release);
}

void FrameServerCall::ObserveStart() {
  CountStart(CallSide::kServer, method(), measure_);
}

void FrameServerCall::ObserveEnd(absl::StatusCode code, size_t message_bytes) {
  measure_.bytes_sent = message_bytes;
  CountEnd(CallSide::kServer, measure_, code);
  if (span_ != nullptr) [[unlikely]] {
    EndSpan(std::move(span_), spans_status_);
  }
}

// From here on the thread may block: the hook, too.
void FrameServerCall::OnRequestParsed() {
  before_->OnRequestParsed();
  if (TraceHook* hook = trace_hook.load(std::memory_order_acquire); hook != nullptr) [[unlikely]] {
    span_ = StartServerSpan(*hook, method(), context_);
  }
}

void FrameServerCall::NoteStatus(const absl::Status& status) {
  if (span_ != nullptr) [[unlikely]] {
    spans_status_ = status;
  }
}

void FrameServerCall::Run(BeforeHandler& before) {
  before_ = &before;
  // Those that begin with their one message offer the role when they have parsed it.
  const internal::MethodKind kind = method().kind();
  if (kind == internal::MethodKind::kClientStreaming ||
      kind == internal::MethodKind::kBidirectionalStreaming) {
    OnRequestParsed();
    absl::Status admitted = CheckAccess();
    if (!admitted.ok()) return Finish(admitted, nullptr);
  }
  entry_->handler(*entry_->service, *this);
}

absl::Status FrameServerCall::CheckAccess() const {
  const AccessGuard* guard = entry_->guard.load(std::memory_order_acquire);
  if (guard == nullptr) [[likely]] {
    return absl::OkStatus();
  }
  // All of it: it may have become another since the call began.
  const PeerIdentity& peer = session_.peer();
  return guard->Admits(peer, method().full_name()) ? absl::OkStatus()
                                                   : guard->Refuse(peer, method().full_name());
}

void FrameServerCall::Cancel() {
  MarkCancelled();
  if (streaming_) frame_stream_->End();
}

void FrameServerCall::MarkCancelled() {
  context_.MarkCancelled();
  // Pairs with NotifyOnCancel: either it sees the context cancelled, or this sees that somebody is to be
  // told.
  if (notified_.load(std::memory_order_seq_cst)) session_.cancel_notifier().Notify(context_);
}

void FrameServerCall::NotifyOnCancel(std::function<void()> callback) {
  notified_.store(true, std::memory_order_seq_cst);
  session_.cancel_notifier().Add(context_, std::move(callback));
}

void FrameServerCall::TryCancel() {
  cancelled_by_handler_.store(true, std::memory_order_release);
  MarkCancelled();
  if (streaming_) frame_stream_->Break(CancelledByHandler());
}

absl::Status FrameServerCall::ReceiveMessage(internal::MessageTarget& request) {
  bool parsed = false;
  bool memory = true;
  try {
    parsed = request.Parse(request_.data(), request_.size());
  } catch (const std::bad_alloc&) {
    memory = false;
  }
  OnRequestParsed();
  if (!memory) return internal::StatusOfNoMemory();
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request to ", std::string(method().full_name()),
                     " cannot be parsed: is the client built from another .proto, or a string no UTF-8?"));
  }
  if (PastDeadline()) {
    return absl::DeadlineExceededError("the deadline passed before the handler could start");
  }
  return CheckAccess();
}

// False where the stream is over, or ends now because the deadline has passed or the server is stopping.
bool FrameServerCall::Await(Sleeper& sleeper, absl::FunctionRef<bool()> done) {
  const FrameStream* reading_into = &sleeper == &frame_stream_->consumer() ? frame_stream_.get() : nullptr;
  if (session_.AwaitStream(sleeper, reading_into, WaitDeadline(), done)) return !CutShort();
  frame_stream_->Break(PastDeadline() ? LateHandler() : absl::CancelledError("the server is stopping"));
  return false;
}

void FrameServerCall::NoteCutShort() {
  frame_stream_->Break(CancelledInHandler());
}

bool FrameServerCall::Read(internal::MessageTarget& message) {
  FrameStream& stream = *frame_stream_;
  if (CutShort()) return false;
  FrameStream::Taken taken = stream.Take(message);
  if (taken == FrameStream::Taken::kNothing) taken = AwaitMessage(message);
  if (taken != FrameStream::Taken::kMessage) [[unlikely]] {
    EndReading(taken);
    return false;
  }
  stream.NoteRead();
  if (stream.TimeToCount()) CountReceived();
  if (const uint64_t bytes = stream.WindowToReturn(); bytes > 0) session_.SendWindow(this->stream(), bytes);
  return true;
}

FrameStream::Taken FrameServerCall::AwaitMessage(internal::MessageTarget& message) {
  FrameStream& stream = *frame_stream_;
  FlushBurst();
  stream.Expect(message);
  const bool there = Await(stream.consumer(), [&stream] { return stream.HasNext(); });
  const FrameStream::Taken taken = stream.TakeExpected(message);
  return there ? taken : FrameStream::Taken::kEnd;
}

void FrameServerCall::EndReading(FrameStream::Taken taken) {
  if (taken == FrameStream::Taken::kMalformed) {
    frame_stream_->Break(absl::InvalidArgumentError(
        absl::StrCat("a message to ", std::string(method().full_name()),
                     " cannot be parsed: is the client built from another .proto, or a string no UTF-8?")));
  }
  CutShort();  // The end may be a cancel's.
}

bool FrameServerCall::Write(const internal::MessageSource& message, const WriteOptions& options) {
  FrameStream& stream = *frame_stream_;
  if (CutShort() || last_written_) return false;
  last_written_ = options.is_last_message();
  const size_t size = message.ByteSize();
  if (size > session_.max_send_message()) {
    stream.Break(ReplyTooLarge(method(), size, session_.max_send_message()));
    return false;
  }
  if (!initial_metadata_sent_) {
    // Sealed by the first message, as in gRPC.
    if (context_.initial_metadata().empty()) {
      initial_metadata_sent_ = true;
    } else {
      SendInitialMetadata();
    }
  }
  if (!stream.has_window() && !AwaitWindow()) return false;
  if (PastDeadline()) stream.Break(LateHandler());
  if (CutShort()) return false;
  stream.Spend(size);
  // The last leaves with the status.
  const bool more = options.buffer_hint() || options.is_last_message();
  if (!stream.JoinsBurst(size, more)) {
    FlushBurst();
    CountSent();
    session_.SendMessage(*this, {}, &message, size);
    return AwaitRoom();
  }
  if (stream.burst().full()) EndBurst();
  if (stream.burst().empty()) CountSent();
  stream.burst().Add(message, size);
  if (more && !stream.burst().full()) return true;
  EndBurst();
  return AwaitRoom();
}

bool FrameServerCall::AwaitWindow() {
  FrameStream& stream = *frame_stream_;
  EndBurst();
  return Await(stream.producer(), [&stream] { return stream.has_window() || stream.over(); });
}

void FrameServerCall::CountSent() {
  CountMessagesSent(CallSide::kServer, measure_, frame_stream_->sent_tally());
}

void FrameServerCall::CountReceived() {
  CountMessagesReceived(CallSide::kServer, measure_, frame_stream_->received_tally());
}

// A client that gives window and does not read is waited for: what it does not take is not to pile up here.
bool FrameServerCall::AwaitRoom() {
  if (!session_.has_pending()) [[likely]] {
    return true;
  }
  session_.AwaitRoom(*frame_stream_, WaitDeadline());
  return !CutShort();
}

// The producer's.
void FrameServerCall::EndBurst() {
  CountSent();
  frame_stream_->burst().End([&](std::string_view messages) {
    if (!messages.empty()) session_.SendMessage(*this, messages, nullptr, 0);
  });
}

void FrameServerCall::FlushBurst() {
  frame_stream_->burst().Flush(
      [&](std::string_view messages) { session_.SendMessage(*this, messages, nullptr, 0); });
}

void FrameServerCall::SendInitialMetadata() {
  if (!streaming_ || std::exchange(initial_metadata_sent_, true)) return;
  absl::Status valid = context_.initial_metadata().Validate();
  if (!valid.ok()) {
    frame_stream_->Break(absl::InternalError(absl::StrCat("the handler's ", valid.message())));
    return;
  }
  std::string head;
  AppendMetadata(head, context_.initial_metadata());
  session_.SendMetadata(*this, head);
}

// What the handler's status becomes where the stream broke on this side, or the deadline has passed: the
// client's clock may be a little behind, and would take the handler at its word.
absl::Status FrameServerCall::StatusToSend(const absl::Status& status) const {
  if (streaming_ && frame_stream_->broken()) return frame_stream_->why_broken();
  if (cancelled_by_handler_.load(std::memory_order_acquire)) return CancelledByHandler();
  // What a handler makes of a cancel that it saw is no whole reply, whatever it says.
  if (status.ok() && context_.cancelled()) return CancelledInHandler();
  if (!status.ok() && PastDeadline() && !absl::IsDeadlineExceeded(status)) return LateHandler();
  return status;
}

void FrameServerCall::ForgetRequest() {
  constexpr size_t kKept = 16u << 10;
  if (kept_request_.capacity() > kKept) std::string().swap(kept_request_);
  kept_bytes_.store(0, std::memory_order_relaxed);
}

void FrameServerCall::Finish(const absl::Status& handlers_status, const internal::MessageSource* reply) {
  absl::Status status = handlers_status;
  if (kept_bytes() > 0) [[unlikely]] {
    ForgetRequest();
  }
  if (notified_.load(std::memory_order_relaxed)) session_.cancel_notifier().Remove(context_);
  const bool cancelled = context_.cancelled();
  if (!status.ok() || streaming_ || cancelled) [[unlikely]] {
    status = StatusToSend(handlers_status);
    if (streaming_) {
      EndBurst();
      CountReceived();
    }
    if (!status.ok()) reply = nullptr;
  }
  NoteStatus(status);
  FrameHeader header;
  header.type = FrameType::kEnd;
  header.lane = lane_;
  header.stream = stream();
  if (!status.ok()) header.code = static_cast<uint32_t>(status.code());
  if (method_known_) header.flags |= FrameFlags::kMethodKnown;
  if (reply != nullptr) header.flags |= FrameFlags::kMessage;
  const bool sends_initial = !initial_metadata_sent_ && !context_.initial_metadata().empty();
  if (status.ok() && !sends_initial && context_.trailing_metadata().empty()) [[likely]] {
    session_.SendEnd(*this, header, {}, reply);
    return;
  }
  absl::Status valid = sends_initial ? context_.initial_metadata().Validate() : absl::OkStatus();
  if (valid.ok()) valid = context_.trailing_metadata().Validate();
  std::string head;
  if (!valid.ok()) {
    header.code = static_cast<uint32_t>(absl::StatusCode::kInternal);
    header.flags = static_cast<uint8_t>((header.flags & ~FrameFlags::kMessage) | FrameFlags::kStatus);
    status = absl::InternalError(absl::StrCat("the handler's ", valid.message()));
    NoteStatus(status);
    AppendStatus(head, status, {});
    session_.SendEnd(*this, header, head, nullptr);
    return;
  }
  if (sends_initial) {
    header.flags |= FrameFlags::kMetadata;
    AppendMetadata(head, context_.initial_metadata());
  }
  header.flags |= FrameFlags::kStatus;
  AppendStatus(head, WithoutNotSent(status), context_.trailing_metadata());
  session_.SendEnd(*this, header, head, reply);
}

}  // namespace sidecall
