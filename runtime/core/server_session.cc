#include "core/server_session.h"

#include <new>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/access.h"
#include "core/frame_codec.h"
#include "core/status_payloads.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// Whether the client sends many messages.
bool TakesStream(const Dispatcher::Entry& entry) {
  const internal::MethodKind kind = entry.method->kind();
  return kind == internal::MethodKind::kClientStreaming ||
         kind == internal::MethodKind::kBidirectionalStreaming;
}

// Bytes of a frame with the largest message that is taken.
uint64_t MaxWholeFrame(const ServerOptions& options) {
  return options.max_receive_message_bytes + kMaxHeadBytes;
}

// The END, and its body's beginning, of a call that no handler has seen.
FrameHeader Refusal(uint32_t stream, Lane lane, const absl::Status& status, std::string& head) {
  FrameHeader header;
  header.type = FrameType::kEnd;
  header.flags = FrameFlags::kStatus;
  header.lane = lane;
  header.stream = stream;
  header.code = static_cast<uint32_t>(status.code());
  // What a rule refuses is the server's answer: no other server is to be asked.
  AppendStatus(head, absl::IsPermissionDenied(status) ? status : NotSent(status), {});
  return header;
}

}  // namespace

ServerSession::ServerSession(uint64_t id, std::unique_ptr<Connection> connection,
                             const Dispatcher& dispatcher, const ServerOptions& options, Host& host)
    : id_(id),
      connection_(std::move(connection)),
      dispatcher_(dispatcher),
      options_(options),
      host_(host),
      writer_(*connection_),
      frames_(*connection_, *this, MaxWholeFrame(options), options.max_calls_per_connection) {
  counted_.Open();
  SendHello(writer_, write_mutex_, options.max_receive_message_bytes,
            static_cast<uint32_t>(options.max_calls_per_connection));
}

void ServerSession::Flush() {
  FrameWriter::Lock lock(write_mutex_);
  writer_.Flush(lock);
}

void ServerSession::SendMessage(const FrameServerCall& call, std::string_view several,
                                const internal::MessageSource* message, size_t size) {
  FrameHeader header;
  header.type = FrameType::kMessage;
  header.flags = FrameFlags::kMessage;
  if (message == nullptr) header.flags |= FrameFlags::kSeveral;
  header.lane = call.lane();
  header.stream = call.stream();
  FrameWriter::Lock lock(write_mutex_);
  Send(lock, header, several, message, size);
}

void ServerSession::SendMetadata(const FrameServerCall& call, std::string_view head) {
  FrameHeader header;
  header.type = FrameType::kMetadata;
  header.flags = FrameFlags::kMetadata;
  header.lane = call.lane();
  header.stream = call.stream();
  FrameWriter::Lock lock(write_mutex_);
  Send(lock, header, head, nullptr, 0);
}

void ServerSession::SendWindow(uint32_t stream, uint64_t bytes) {
  SendControl(FrameType::kWindow, stream, bytes);
}

// A frame of a stream that stays open. What finds no room is the reader's to send later.
void ServerSession::Send(FrameWriter::Lock& lock, const FrameHeader& header, std::string_view head,
                         const internal::MessageSource* message, size_t size) {
  writer_.Send(lock, header, head, message, size);
  writer_.Flush(lock);
  const bool tell = writer_.has_pending();
  lock.unlock();
  if (tell) [[unlikely]] {
    host_.NeedsAttention(id_);
  }
}

void ServerSession::SendEnd(FrameServerCall& call, const FrameHeader& header, std::string_view head,
                            const internal::MessageSource* message) {
  const size_t size = message != nullptr ? message->ByteSize() : 0;
  if (size > agreement_.peer.max_message) [[unlikely]] {
    call.Finish(ReplyTooLarge(call.method(), size, agreement_.peer.max_message), nullptr);
    return;
  }
  call.ObserveEnd(static_cast<absl::StatusCode>(header.code), size);
  bool memory = true;
  FrameWriter::Lock lock(write_mutex_);
  // The client may use the index again as soon as it has the answer: nothing of the call is touched after
  // this.
  call.SetClosed();
  try {
    writer_.Send(lock, header, head, message, size);
    writer_.Flush(lock);
  } catch (const std::bad_alloc&) {
    // Part of the answer may have left: nothing that makes sense can follow it.
    if (!lock.owns_lock()) lock.lock();
    connection_->Close();
    memory = false;
  }
  finished_++;
  // Under the lock, without which nobody learns that this was the last call: the session may be gone as soon
  // as it is free, and the host, too, where this thread is none of its own.
  if (ends_watched_ || writer_.has_pending()) [[unlikely]] {
    host_.NeedsAttention(id_);
  }
  lock.unlock();
  if (!memory) {
    Log(LogLevel::kError,
        absl::StrCat("no memory for an answer of ", size, " bytes: its connection is closed"));
  }
}

bool ServerSession::HasOpenCalls() {
  FrameWriter::Lock lock(write_mutex_);
  ends_watched_ = true;
  return started_ != finished_;
}

uint64_t ServerSession::CountOpenCalls() {
  const FrameWriter::Lock lock(write_mutex_);
  return started_ - finished_;
}

bool ServerSession::HasMemoryFor(uint64_t bytes) {
  const uint64_t rest = options_.max_connection_bytes -
                        std::min<uint64_t>(options_.max_connection_bytes, frames_.assembling_bytes());
  unread_bound_ += bytes;
  if (unread_bound_ <= rest) [[likely]] {
    return true;
  }
  unread_bound_ = bytes;
  for (const auto& call : calls_) {
    if (call == nullptr || !call->open()) continue;
    unread_bound_ += call->kept_bytes();
    if (const FrameStream* stream = call->streaming(); stream != nullptr)
      unread_bound_ += stream->unread_bytes();
  }
  return unread_bound_ <= rest;
}

void ServerSession::Refuse(FrameServerCall& call, const absl::Status& status) {
  std::string head;
  const FrameHeader header = Refusal(call.stream(), call.lane(), status, head);
  SendEnd(call, header, head, nullptr);
}

void ServerSession::Refuse(const FrameHeader& start, const absl::Status& status) {
  CountRefusedCall(status.code());
  std::string head;
  const FrameHeader header = Refusal(start.stream, start.lane, status, head);
  FrameWriter::Lock lock(write_mutex_);
  writer_.Send(lock, header, head, nullptr, 0);
  writer_.Flush(lock);
}

void ServerSession::SendControl(FrameType type, uint32_t stream, uint64_t argument, uint32_t code) {
  FrameHeader header;
  header.type = type;
  header.lane = Lane::kControl;
  header.stream = stream;
  header.code = code;
  header.argument = argument;
  FrameWriter::Lock lock(write_mutex_);
  Send(lock, header, {}, nullptr, 0);
}

void ServerSession::AwaitRoom(FrameStream& stream, int64_t deadline_nanos) {
  {
    FrameWriter::Lock lock(write_mutex_);
    if (!writer_.has_pending()) return;
    writer_.AddRoomWaiter(lock, stream.producer());
  }
  AwaitStream(stream.producer(), nullptr, deadline_nanos,
              [&] { return !writer_.has_pending() || stream.over(); });
  FrameWriter::Lock lock(write_mutex_);
  writer_.RemoveRoomWaiter(lock, stream.producer());
}

void ServerSession::GoAway() {
  if (std::exchange(going_away_, true) || closed_) return;
  SendControl(FrameType::kGoAway, 0, 0);
}

void ServerSession::SayLast() {
  // Also to one whose hello was not read: it may have begun calls by now.
  if (closed_) return;
  SendControl(FrameType::kGoAway, 0, starts_[static_cast<size_t>(Lane::kData)] + 1,
              static_cast<uint32_t>(
                  std::min<uint64_t>(starts_[static_cast<size_t>(Lane::kUrgent)], kAllUrgentTaken)));
}

void ServerSession::CancelCalls() {
  for (const auto& call : calls_) {
    if (call != nullptr && call->open()) call->Cancel();
  }
}

absl::Status ServerSession::OnWholeFrame(const FrameHeader& header, std::string_view body) {
  if (!greeted_) {
    if (header.type != FrameType::kHello) return absl::DataLossError("the client did not say hello first");
    auto agreement = Agree(body);
    if (!agreement.ok()) return agreement.status();
    agreement_ = *agreement;
    greeted_ = true;
    return absl::OkStatus();
  }
  switch (header.type) {
    case FrameType::kStart:
      return Start(header, body);
    case FrameType::kMessage:
      return TakeMessage(header, body);
    case FrameType::kWindow:
      return TakeWindow(header);
    case FrameType::kCancel:
      TakeCancel(header.stream);
      return ChargeFlood();
    case FrameType::kPing:
      SendControl(FrameType::kPong, 0, header.argument);
      return ChargeFlood();
    default:
      return absl::DataLossError(absl::StrCat("the client sent a frame of type ",
                                              static_cast<int>(header.type), " that has no place here"));
  }
}

FrameServerCall* ServerSession::CallOf(uint32_t stream) const {
  const uint32_t index = StreamIndex(stream);
  if (index >= calls_.size() || calls_[index] == nullptr) return nullptr;
  FrameServerCall* call = calls_[index].get();
  return call->stream() == stream && call->open() ? call : nullptr;
}

FrameStream* ServerSession::StreamOf(uint32_t stream) const {
  const FrameServerCall* call = CallOf(stream);
  return call != nullptr ? call->streaming() : nullptr;
}

// Of a message that crossed its stream's end.
absl::Status ServerSession::ChargeLate(size_t bytes) {
  return flood_budget_.TakeLate(bytes) ? absl::OkStatus() : ChargeFlood();
}

absl::Status ServerSession::TakeMessage(const FrameHeader& header, std::string_view body) {
  FrameStream* stream = StreamOf(header.stream);
  if (stream == nullptr) return ChargeLate(body.size());
  const bool says_something = header.has(FrameFlags::kMessage) || header.has(FrameFlags::kHalfClose);
  if (body.empty() && (!says_something || header.has(FrameFlags::kSeveral))) [[unlikely]] {
    absl::Status charged = ChargeFlood();
    if (!charged.ok()) return charged;
  }
  if (!HasMemoryFor(body.size())) [[unlikely]] {
    stream->Break(NoMemory());
    return absl::OkStatus();
  }
  absl::Status taken =
      stream->OnMessage(header, body, options_.max_receive_message_bytes, stream == reading_into_);
  if (!absl::IsResourceExhausted(taken)) return taken;
  stream->Break(TooLarge(body.size()));
  return absl::OkStatus();
}

absl::Status ServerSession::TakeWindow(const FrameHeader& header) {
  FrameStream* stream = StreamOf(header.stream);
  if (stream == nullptr || header.argument < FloodBudget::kSmallWindow) {
    absl::Status charged = ChargeFlood();
    if (!charged.ok() || stream == nullptr) return charged;
  }
  return stream->OnWindow(header.argument);
}

void ServerSession::TakeCancel(uint32_t stream) {
  if (FrameServerCall* call = CallOf(stream); call != nullptr) {
    call->Cancel();
    return;
  }
  const uint32_t index = StreamIndex(stream);
  if (index >= options_.max_calls_per_connection) return;
  // Generations are compared as serial numbers: one that is behind has ended.
  const uint32_t last = index < calls_.size() && calls_[index] != nullptr ? calls_[index]->stream() : 0;
  if (static_cast<int16_t>(static_cast<uint16_t>((stream >> 16) - (last >> 16))) <= 0) return;
  if (index >= cancelled_ahead_.size()) cancelled_ahead_.resize(index + 1);
  cancelled_ahead_[index] = stream;
}

// The three steps of Start, inline in it: it is on the hot path.

// The call of the stream's index; null where it is refused. DATA_LOSS where no client begins such a stream.
inline absl::Status ServerSession::TakeFreeCall(const FrameHeader& start, FrameServerCall*& call) {
  const uint32_t stream = start.stream;
  const uint32_t index = StreamIndex(stream);
  if (index == stream) {
    return absl::DataLossError(absl::StrCat("the client began stream ", stream, ", of generation 0"));
  }
  if (index >= options_.max_calls_per_connection) {
    Refuse(start,
           absl::ResourceExhaustedError(absl::StrCat("this server takes ", options_.max_calls_per_connection,
                                                     " calls at once on a connection")));
    return absl::OkStatus();
  }
  if (index >= calls_.size()) calls_.resize(index + 1);
  if (calls_[index] == nullptr) calls_[index] = std::make_unique<FrameServerCall>(*this);
  if (calls_[index]->open()) {
    return absl::DataLossError(absl::StrCat("the client began stream ", stream, " while ",
                                            calls_[index]->stream(), " of the same index is open"));
  }
  call = calls_[index].get();
  return absl::OkStatus();
}

// Why no call of this method may begin on `stream` now.
inline absl::Status ServerSession::CheckTakesCall(uint32_t stream, const Dispatcher::Entry& entry) {
  if (going_away_) return absl::UnavailableError("the server is shutting down");
  if (const AccessGuard* guard = entry.guard.load(std::memory_order_acquire); guard != nullptr) [[unlikely]] {
    if (!guard->MayAdmit(peer())) return guard->Refuse(peer(), entry.method->full_name());
  }
  const uint32_t index = StreamIndex(stream);
  if (index < cancelled_ahead_.size() && std::exchange(cancelled_ahead_[index], 0) == stream) {
    return absl::CancelledError("the caller cancelled the call before it began");
  }
  if (entry.method->kind() != internal::MethodKind::kUnary && agreement_.peer.initial_window == 0) {
    return absl::UnimplementedError("the client takes no streams, and this method is one");
  }
  if (host_.TakesCall()) [[likely]] {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("this server takes ", options_.max_calls,
                   " calls at once. Try later, or raise the server's max_calls"));
}

// What of a START follows the method's name: metadata, and the request. As CheckRequest.
inline absl::Status ServerSession::TakeRequest(FrameServerCall& call, const FrameHeader& header,
                                               const Dispatcher::Entry& entry, std::string_view body) {
  if (header.has(FrameFlags::kMetadata)) {
    absl::Status taken = TakeMetadata(body, call.context().mutable_client_metadata());
    if (!taken.ok()) return taken;
  }
  absl::Status takes = CheckRequest(header, entry, body.size());
  if (!takes.ok()) return takes;
  const bool streams = TakesStream(entry);
  if ((streams || options_.executor) && !HasMemoryFor(body.size())) return NoMemory();
  if (!streams) [[likely]] {
    call.SetRequest(body);
    return absl::OkStatus();
  }
  FrameHeader first = header;
  first.flags &= FrameFlags::kMessage | FrameFlags::kHalfClose;
  // Cannot fail: its window is new, and its size was looked at.
  (void)call.streaming()->OnMessage(first, body, options_.max_receive_message_bytes, false);
  if (first.has(FrameFlags::kMessage)) call.streaming()->Uncharge(body.size());  // A START costs no window.
  return absl::OkStatus();
}

absl::Status ServerSession::Start(const FrameHeader& header, std::string_view body) {
  CountStart(header.lane);
  flood_budget_.Earn(!header.has(FrameFlags::kHalfClose));
  if (writer_.pending_ends() >= options_.max_calls_per_connection) {
    return absl::DataLossError(absl::StrCat(
        "the client begins calls and reads no answers: ", options_.max_calls_per_connection, " wait for it"));
  }
  FrameServerCall* call = nullptr;
  absl::Status free = TakeFreeCall(header, call);
  if (!free.ok()) return free;
  if (call == nullptr) return absl::OkStatus();  // Refused.
  const Dispatcher::Entry* entry = nullptr;
  bool announce = false;
  absl::Status found = FindMethod(header, body, entry, announce);
  if (!found.ok()) return found;
  if (entry == nullptr) return absl::OkStatus();  // Refused.
  absl::Status takes = CheckTakesCall(header.stream, *entry);
  if (!takes.ok()) {
    Refuse(header, takes);
    return absl::OkStatus();
  }
  int64_t deadline_nanos = 0;
  if (header.argument != 0) {
    deadline_nanos = static_cast<int64_t>(header.argument + static_cast<uint64_t>(agreement_.clock_offset));
    deadline_nanos = std::max<int64_t>(deadline_nanos, 1);  // 0 is none; what is far behind has passed
  }
  call->Begin(header, *entry, deadline_nanos, announce, agreement_.peer.initial_window);
  absl::Status taken = TakeRequest(*call, header, *entry, body);
  if (!taken.ok()) {
    call->SetClosed();
    if (absl::IsDataLoss(taken)) return taken;
    Refuse(header, taken);
    return absl::OkStatus();
  }
  started_++;
  call->ObserveStart();
  runnable_->push_back(call);
  return absl::OkStatus();
}

absl::Status ServerSession::FindMethod(const FrameHeader& header, std::string_view& body,
                                       const Dispatcher::Entry*& entry, bool& announce) {
  if (!header.has(FrameFlags::kMethodName)) {
    if (header.code >= methods_.size() || methods_[header.code] == nullptr) {
      return absl::DataLossError(
          absl::StrCat("the client used method id ", header.code, ", which stands for nothing"));
    }
    entry = methods_[header.code];
    return absl::OkStatus();
  }
  std::string_view name;
  absl::Status taken = TakeMethodName(body, name);
  if (!taken.ok()) return taken;
  entry = dispatcher_.Find(name);
  if (entry == nullptr) {
    Refuse(header, dispatcher_.NotFound(name));
    return absl::OkStatus();
  }
  if (header.code < kMaxMethodIds) {
    if (header.code >= methods_.size()) methods_.resize(header.code + 1);
    methods_[header.code] = entry;
    announce = true;
  }
  return absl::OkStatus();
}

// What is left of a START's body, its message, has `size` bytes. DATA_LOSS closes the connection, else the
// call is refused.
absl::Status ServerSession::CheckRequest(const FrameHeader& header, const Dispatcher::Entry& entry,
                                         size_t size) const {
  if (size > options_.max_receive_message_bytes) return TooLarge(size);
  constexpr uint8_t kWhole = FrameFlags::kMessage | FrameFlags::kHalfClose;
  if ((header.flags & kWhole) == kWhole) [[likely]]
    return absl::OkStatus();
  if (size > 0 && !header.has(FrameFlags::kMessage)) {
    return absl::DataLossError(absl::StrCat("the client sent ", size, " bytes that are of no section"));
  }
  if (TakesStream(entry)) return absl::OkStatus();
  return absl::InvalidArgumentError("a call of one request begins with it, and this one has none or more");
}

absl::Status ServerSession::TooLarge(uint64_t size) const {
  if (size <= options_.max_receive_message_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the server has no memory for a request of ", size, " bytes. Try later, or send less"));
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "the request has ", size, " bytes, and this server takes ", options_.max_receive_message_bytes,
      ". Send less, or raise the server's max_receive_message_bytes"));
}

absl::Status ServerSession::NoMemory() const {
  return absl::ResourceExhaustedError(absl::StrCat(
      "this connection holds ", options_.max_connection_bytes,
      " bytes in the server, that were not read, or are not whole yet. Send less at once, or raise "
      "the server's max_connection_bytes"));
}

absl::StatusOr<bool> ServerSession::OnSplitBegins(const FrameHeader& header, uint64_t size) {
  if (!greeted_) return absl::DataLossError("the client did not say hello first");
  const uint32_t index = StreamIndex(header.stream);
  const bool open = index < calls_.size() && calls_[index] != nullptr && calls_[index]->open();
  // What is larger than the reader's limit gets no memory anyway.
  const bool fits = size > MaxWholeFrame(options_) || HasMemoryFor(size);
  if (header.type == FrameType::kStart && !open) {
    if (!fits) {
      CountStart(header.lane);
      Refuse(header, NoMemory());
    }
    return fits;
  }
  if (header.type == FrameType::kMessage) {
    FrameStream* stream = StreamOf(header.stream);
    if (stream == nullptr) {
      absl::Status charged = ChargeLate(size);
      if (!charged.ok()) return charged;
      return false;
    }
    absl::Status begins = stream->CheckMessageBegins();
    if (!begins.ok()) return begins;
    if (!fits) stream->Break(NoMemory());
    return fits;
  }
  return absl::DataLossError(absl::StrCat("the client sent pieces of a frame of type ",
                                          static_cast<int>(header.type), " on stream ", header.stream,
                                          ", where they have no place"));
}

void ServerSession::OnTooLarge(const FrameHeader& header, uint64_t size) {
  if (header.type == FrameType::kStart) {
    if (!greeted_ || writer_.pending_ends() >= options_.max_calls_per_connection) {
      connection_->Close();  // As Start, which it does not come to.
      return;
    }
    CountStart(header.lane);
    Refuse(header, TooLarge(size));
  } else if (FrameStream* stream = StreamOf(header.stream); stream != nullptr) {
    stream->Break(TooLarge(size));
  }
}

void ServerSession::OnClosed(const absl::Status& why) {
  closed_ = true;
  counted_.Close();
  // OK and UNAVAILABLE: a peer that left, or that was not to stay.
  const bool left = why.ok() || absl::IsUnavailable(why);
  const LogLevel level = left ? LogLevel::kDebug : LogLevel::kWarning;
  if (LogEnabled(level)) {
    LogOfPeer(level, absl::StrCat("connection ", id_, " of ", peer().ToString(),
                                  left ? " ended: " : " was closed: ", why.ToString()));
  }
  CancelCalls();
}

}  // namespace sidecall
