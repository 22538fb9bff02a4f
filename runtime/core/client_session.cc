#include "core/client_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/handler_scope.h"
#include "core/status_payloads.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/parse_message.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

// Reads of one look at what has come.
constexpr int kMostRoundsOfALook = 64;

}  // namespace

// Wakes one thread of a call, wherever it sleeps, when the call is cancelled. Known to the context from the
// first sleep on: a call that only polls pays nothing for it.
class ClientSession::CancelWaker final : public ClientContext::Waker {
 public:
  CancelWaker(ClientSession& session, const Wait& wait) : session_(session), wait_(wait) {}
  ~CancelWaker() {
    if (added_) wait_.context.RemoveWaker(*this);
  }
  // False where the call is cancelled already.
  bool Add() {
    if (!added_) added_ = wait_.context.AddWaker(*this);
    return added_;
  }
  void WakeForCancel() override {
    // Not asleep there, it may be in the event loop, or about to.
    if (!wait_.sleeper.Wake()) session_.events_->Wake();
  }

 private:
  ClientSession& session_;
  const Wait& wait_;
  bool added_ = false;
};

ClientSession::ClientSession(std::unique_ptr<Connection> connection, WriteMutex& write_mutex,
                             const ChannelOptions& options, std::unique_ptr<EventLoop> events)
    : connection_(std::move(connection)),
      write_mutex_(write_mutex),
      max_receive_message_(
          std::min<uint64_t>(options.max_receive_message_bytes, internal::kMostMessageBytes)),
      events_(std::move(events)),
      peer_is_self_(connection_->peer().pid == getpid()),
      writer_(*connection_),
      frames_(*connection_, *this, max_receive_message_ + kMaxHeadBytes, kMaxCalls),
      spin_(options.polling),
      keepalive_(options.keepalive_time, options.keepalive_timeout) {
  spin_.SetPeer(connection_->peer().pid);
}

void ClientSession::LookAround() {
  if (forked()) [[unlikely]] {
    return;
  }
  if (!TakeReaderRole()) return;
  SleepUntilReadable(0);
  PollWhatIsThere();
  HandReaderRoleOn(true);
}

void ClientSession::PollWhatIsThere() {
  // A server that sends without end does not hold a caller here for ever.
  for (int rounds = 0; rounds < kMostRoundsOfALook && PollFrames() > 0; rounds++) {
  }
}

size_t ClientSession::PollFrames() {
  const size_t frames = frames_.Poll();
  if (frames > 0) {
    keepalive_.Heard();
    watch_.Heard();
  }
  return frames;
}

void ClientSession::ReadWhatIsThere() {
  if (forked()) [[unlikely]] {
    return;
  }
  if (!TakeReaderRole()) return;
  PollWhatIsThere();
  HandReaderRoleOn(true);
}

std::string ClientSession::WhyUnusable() const {
  return closed() ? std::string(close_status_.message()) : "the server is going away";
}

bool ClientSession::Unused() const {
  return std::all_of(owned_calls_.begin(), owned_calls_.end(), [](const auto& call) { return call->free(); });
}

ClientCall* ClientSession::FreeCall() {
  const auto size = static_cast<uint32_t>(owned_calls_.size());
  // From the last one that ended downwards: of many that were begun one after the other, those before it have
  // ended, too.
  uint32_t index = free_hint_.load(std::memory_order_relaxed);
  for (uint32_t tried = 0; tried < size; tried++) {
    ClientCall& call = *owned_calls_[index];
    index = index == 0 ? size - 1 : index - 1;
    if (!call.free()) continue;
    free_hint_.store(index, std::memory_order_relaxed);
    return &call;
  }
  if (size == calls_.size()) return nullptr;
  owned_calls_.push_back(std::make_unique<ClientCall>(size));
  calls_[size].store(owned_calls_.back().get(), std::memory_order_release);
  return owned_calls_.back().get();
}

absl::Status ClientSession::TooManyCalls() const {
  const auto ended =
      std::count_if(owned_calls_.begin(), owned_calls_.end(), [](const auto& call) { return call->done(); });
  const std::string mend = ended > 0 ? absl::StrCat("Finish those that have ended, which are ", ended)
                                     : "Wait for some to end, or raise the server's max_calls_per_connection";
  return absl::ResourceExhaustedError(absl::StrCat(
      calls_.size(), " calls are open on this connection, and the server takes no more. ", mend));
}

ClientCall* ClientSession::CallOf(uint32_t stream) const {
  const uint32_t index = StreamIndex(stream);
  if (index >= calls_.size()) return nullptr;
  ClientCall* call = calls_[index].load(std::memory_order_acquire);
  return call != nullptr && call->stream() == stream && !call->free() ? call : nullptr;
}

absl::StatusOr<ClientCall*> ClientSession::Start(FrameWriter::Lock& lock, const NewCall& start,
                                                 size_t request_size) {
  const internal::Method& method = start.method;
  if (request_size > agreement_.peer.max_message) {
    return NotSent(absl::ResourceExhaustedError(
        absl::StrCat("the request to ", std::string(method.full_name()), " has ", request_size,
                     " bytes, and the server takes ", agreement_.peer.max_message,
                     ". Send less, or raise the server's max_receive_message_bytes")));
  }
  if (method.kind() != internal::MethodKind::kUnary && agreement_.peer.initial_window == 0) [[unlikely]] {
    return NotSent(absl::UnimplementedError(
        absl::StrCat("the server takes no streams, and ", std::string(method.full_name()), " is one")));
  }
  ClientCall* call = FreeCall();
  if (call == nullptr) {
    // Calls that were given up end when the server's answers are read, and nobody may be reading.
    LookAround();
    call = FreeCall();
  }
  if (call == nullptr) return NotSent(TooManyCalls());
  FrameHeader header;
  header.type = FrameType::kStart;
  if (start.request != nullptr) header.flags = FrameFlags::kMessage | FrameFlags::kHalfClose;
  const ClientContext& context = start.context;
  if (context.priority() == CallPriority::kUrgent) header.lane = Lane::kUrgent;
  call->set_lane(header.lane);
  call->set_ordinal(0);
  header.stream = Begin(*call, start);
  header.code = method.id();
  if (context.deadline_nanos() != ClientContext::kNoDeadline) {
    header.argument = static_cast<uint64_t>(context.deadline_nanos());
  }
  const bool known =
      header.code < method_known_.size() && method_known_[header.code].load(std::memory_order_relaxed);
  if (known && context.metadata().empty()) [[likely]] {
    writer_.Send(lock, header, {}, start.request, request_size);
  } else {
    std::string head;
    if (!known) {
      header.flags |= FrameFlags::kMethodName;
      AppendMethodName(head, method.full_name());
    }
    if (!context.metadata().empty()) {
      header.flags |= FrameFlags::kMetadata;
      AppendMetadata(head, context.metadata());
    }
    writer_.Send(lock, header, head, start.request, request_size);
  }
  // As the server counts them: one in pieces is overtaken by others.
  call->set_ordinal(++starts_[static_cast<size_t>(header.lane)]);
  if (start.may_wait) {
    writer_.PutOffFlush(lock, request_size);
  } else {
    FlushTellingReader(lock);
  }
  // Its handler is not to wait for room until somebody reads what abandoned calls were sent.
  if (abandoned_) [[unlikely]] {
    abandoned_ = false;
    ReadWhatIsThere();
  }
  return call;
}

uint32_t ClientSession::Begin(ClientCall& call, const NewCall& start) const {
  if (start.method.kind() != internal::MethodKind::kUnary) {
    return call.BeginStreaming(start.method, start.context, start.reply, agreement_.peer.initial_window,
                               kInitialWindow);
  }
  if (start.pending_reply != nullptr) {
    return call.BeginPending(start.method, start.context, *start.pending_reply);
  }
  return call.Begin(start.method, start.context, start.reply);
}

absl::Status ClientSession::Finish(ClientCall& call, ClientContext& context) {
  const uint32_t stream = call.stream();
  const Wait wait{
      .call = call, .context = context, .sleeper = call.caller(), .deadline_nanos = WaitDeadline(context)};
  if (Await(wait, [&call] { return call.done(); })) [[likely]] {
    return TakeEnded(call);
  }
  absl::Status status = LeftByCaller(call.method(), context);
  // One critical section: once abandoned, the call no longer keeps this session from being retired.
  FrameWriter::Lock lock(write_mutex_);
  if (!Abandon(lock, call)) {
    lock.unlock();
    return call.Take();
  }
  SendCancel(lock, stream);
  return status;
}

absl::Status ClientSession::TakeEnded(ClientCall& call) {
  free_hint_.store(StreamIndex(call.stream()), std::memory_order_relaxed);
  return call.Take();
}

void ClientSession::Drop(ClientCall& call) {
  FrameWriter::Lock lock(write_mutex_);
  const uint32_t stream = call.stream();
  if (!Abandon(lock, call)) {
    (void)call.Take();
    return;
  }
  SendCancel(lock, stream);
  // Whoever only drops calls reads the server's answers here, which free the indices.
  ReadWhatIsThere();
}

template <typename Done>
bool ClientSession::Await(const Wait& wait, Done done) {
  if (peer_is_self_) HandlerScope::AboutToBlock();
  CancelWaker waker(*this, wait);
  for (;;) {
    if (TakeReaderRole()) {
      const bool ended = done() || ReadUntil(wait, done, waker);
      HandReaderRoleOn(true);
      return ended;
    }
    if (writer_.has_pending()) events_->Wake();
    if (waker.Add()) SleepAsFollower(wait, done);
    const bool ended = done();
    if (ended || wait.context.cancelled() || HasPassed(wait.deadline_nanos)) {
      HandReaderRoleOn(false);
      return ended;
    }
  }
}

// Whoever leaves makes sure that, where others wait, one of them reads.
void ClientSession::HandReaderRoleOn(bool release) {
  if (release) {
    // Silence while nobody waits says nothing.
    if (keepalive_.enabled() && followers_.load(std::memory_order_seq_cst) == 0) keepalive_.Heard();
    reader_.store(false, std::memory_order_seq_cst);
  }
  if (followers_.load(std::memory_order_seq_cst) == 0 || reader_.load(std::memory_order_seq_cst)) return;
  for (auto& entry : calls_) {
    ClientCall* call = entry.load(std::memory_order_acquire);
    if (call == nullptr || call->WakeToRead()) return;
  }
}

template <typename Done>
void ClientSession::SleepAsFollower(const Wait& wait, Done done) {
  HandlerScope::AboutToBlock();
  followers_.fetch_add(1, std::memory_order_seq_cst);
  wait.sleeper.Announce();
  // Pairs with HandReaderRoleOn and with whoever makes done() true: either they see us asleep, or we see what
  // they did.
  if (reader_.load(std::memory_order_seq_cst) && !done() && !wait.context.cancelled()) {
    wait.sleeper.Sleep(wait.deadline_nanos);
  }
  wait.sleeper.Cancel();
  followers_.fetch_sub(1, std::memory_order_seq_cst);
}

template <typename Done>
bool ClientSession::ReadUntil(const Wait& wait, Done done, CancelWaker& waker) {
  const int64_t deadline_nanos = wait.deadline_nanos;
  if (FrameStream* stream = wait.call.streaming(); stream == nullptr) {
    reading_for_ = &wait.call;
  } else if (&wait.sleeper == &stream->consumer()) {
    reading_into_ = stream;
  }
  bool slept = false;
  int64_t began = 0;
  if (closed()) EndByClose(wait.call);
  spin_.Begin();
  for (bool look = !spin_.SleepsAtOnce(); !done(); look = true) {
    const size_t frames = look ? PollFrames() : 0;
    if (writer_.has_pending()) Flush();
    if (done()) continue;
    if (wait.context.cancelled()) break;
    if (frames > 0) {
      if (deadline_nanos == kInfiniteFutureNanos) continue;
    } else if (look && spin_.Continue()) {
      if (deadline_nanos > spin_.now_nanos()) continue;
    } else {
      HandlerScope::AboutToBlock();
      if (!slept) began = MonotonicNanos();
      slept = true;
      if (!waker.Add()) break;
      SleepUntilHeard(deadline_nanos);
    }
    if (deadline_nanos != kInfiniteFutureNanos && HasPassed(deadline_nanos)) break;
  }
  if (slept) {
    spin_.EndedAsleep(MonotonicNanos() - began);
  } else {
    spin_.EndedAwake();
  }
  reading_for_ = nullptr;
  reading_into_ = nullptr;
  return done();
}

// As SleepUntilReadable, at most until it is time to ask whether the server still reads.
void ClientSession::SleepUntilHeard(int64_t deadline_nanos) {
  if (!keepalive_.enabled()) [[likely]] {
    SleepUntilReadable(deadline_nanos);
    return;
  }
  switch (keepalive_.Look(MonotonicNanos())) {
    case Keepalive::Due::kWait:
      break;
    case Keepalive::Due::kAsk: {
      FrameHeader ping;
      ping.type = FrameType::kPing;
      ping.lane = Lane::kControl;
      FrameWriter::Lock lock(write_mutex_);
      writer_.Send(lock, ping, {}, nullptr, 0);
      writer_.Flush(lock);
      break;
    }
    case Keepalive::Due::kGiveUp:
      // The answer may lie there, where this thread was not let run for as long.
      if (PollFrames() > 0) return;
      gave_up_ = true;
      connection_->Close();  // The next Poll tells.
      return;
  }
  SleepUntilReadable(std::min(deadline_nanos, keepalive_.due()));
}

// False where it was the cancel descriptor that ended the sleep.
bool ClientSession::SleepUntilReadable(int64_t deadline_nanos) {
  if (!connection_->Arm() || !watch_.Update(*events_, *connection_, spin_.several_cpus())) return true;
  ready_.clear();
  events_->Wait(deadline_nanos, ready_);
  ReadyDescriptors told;
  bool cancelled = false;
  for (const EventLoop::Ready& report : ready_) {
    if (ConnectionWatch::IdOf(report.token) == kWatchId) {
      watch_.Note(report, told);
    } else {
      cancelled = true;
    }
  }
  connection_->Disarm(told);
  return !cancelled;
}

void ClientSession::Flush() {
  FrameWriter::Lock lock(write_mutex_);
  writer_.Flush(lock);
}

// The reader may have gone to sleep before there was anything that waits for room, and who sends may not
// wait.
void ClientSession::FlushTellingReader(const FrameWriter::Lock& lock) {
  writer_.Flush(lock);
  if (writer_.has_pending() && reader_.load(std::memory_order_seq_cst)) [[unlikely]] {
    events_->Wake();
  }
}

void ClientSession::SendCancel(FrameWriter::Lock& lock, uint32_t stream) {
  FrameHeader header;
  header.type = FrameType::kCancel;
  header.lane = Lane::kControl;
  header.stream = stream;
  writer_.Send(lock, header, {}, nullptr, 0);
  FlushTellingReader(lock);
}

absl::Status ClientSession::OnWholeFrame(const FrameHeader& header, std::string_view body) {
  if (!greeted_) {
    if (header.type != FrameType::kHello) return absl::DataLossError("the server did not say hello first");
    auto agreement = Agree(body);
    if (!agreement.ok()) return agreement.status();
    agreement_ = *agreement;
    greeted_ = true;
    return absl::OkStatus();
  }
  switch (header.type) {
    case FrameType::kEnd:
      return EndCall(header, body);
    case FrameType::kMessage:
      return TakeMessage(header, body);
    case FrameType::kWindow: {
      FrameStream* stream = StreamOf(header.stream);
      return stream != nullptr ? stream->OnWindow(header.argument) : absl::OkStatus();
    }
    case FrameType::kMetadata: {
      ClientCall* call = CallOf(header.stream);
      if (call == nullptr || call->streaming() == nullptr) break;
      absl::Status taken = call->TakeInitialMetadata(body);
      if (!absl::IsResourceExhausted(taken)) return taken;
      call->streaming()->Break(taken);
      return absl::OkStatus();
    }
    case FrameType::kGoAway:
      going_away_.store(true, std::memory_order_release);  // Calls in flight go on.
      if (header.argument > 0) {
        starts_taken_[static_cast<size_t>(Lane::kData)] = header.argument - 1;
        starts_taken_[static_cast<size_t>(Lane::kUrgent)] =
            header.code == kAllUrgentTaken ? UINT64_MAX : header.code;
      }
      return absl::OkStatus();
    case FrameType::kPong:
      return absl::OkStatus();
    default:
      break;
  }
  return absl::DataLossError(absl::StrCat("the server sent a frame of type ", static_cast<int>(header.type),
                                          " on stream ", header.stream, ", where it has no place"));
}

FrameStream* ClientSession::StreamOf(uint32_t stream) const {
  ClientCall* call = CallOf(stream);
  return call != nullptr ? call->streaming() : nullptr;
}

absl::Status ClientSession::TakeMessage(const FrameHeader& header, std::string_view body) {
  FrameStream* stream = StreamOf(header.stream);
  if (stream == nullptr) {
    return absl::DataLossError(absl::StrCat("the server sent a message on stream ", header.stream,
                                            ", which is no open stream of them"));
  }
  absl::Status taken = stream->OnMessage(header, body, max_receive_message_, stream == reading_into_);
  if (!absl::IsResourceExhausted(taken)) return taken;
  OnTooLarge(header, body.size());
  return absl::OkStatus();
}

absl::Status ClientSession::EndCall(const FrameHeader& header, std::string_view body) {
  ClientCall* call = CallOf(header.stream);
  if (call == nullptr) {
    return absl::DataLossError(
        absl::StrCat("the server answered stream ", header.stream, ", which is not open"));
  }
  if (header.has(FrameFlags::kMethodKnown)) {
    const uint32_t id = call->method().id();
    if (id < method_known_.size()) method_known_[id].store(true, std::memory_order_relaxed);
  }
  return call->CompleteWith(header, body, max_receive_message_, call == reading_for_);
}

absl::StatusOr<bool> ClientSession::OnSplitBegins(const FrameHeader& header, uint64_t /*size*/) {
  const FrameStream* stream = StreamOf(header.stream);
  if (header.type == FrameType::kEnd && CallOf(header.stream) != nullptr) return true;
  if (header.type == FrameType::kMetadata && stream != nullptr) return true;
  if (header.type == FrameType::kMessage && stream != nullptr) {
    absl::Status begins = stream->CheckMessageBegins();
    if (!begins.ok()) return begins;
    return true;
  }
  return absl::DataLossError(absl::StrCat("the server sent pieces of a frame of type ",
                                          static_cast<int>(header.type), " on stream ", header.stream,
                                          ", where they have no place"));
}

void ClientSession::OnTooLarge(const FrameHeader& header, uint64_t size) {
  ClientCall* call = CallOf(header.stream);
  if (call == nullptr) return;
  const absl::Status why = ReplyTooLarge(call->method(), size, max_receive_message_);
  if (header.type == FrameType::kEnd) {
    EndOf(*call, why);
  } else if (FrameStream* stream = call->streaming(); stream != nullptr) {
    stream->Break(why);
  }
}

void ClientSession::EndOf(ClientCall& call, const absl::Status& why) {
  call.Fail(why, &call == reading_for_);
}

void ClientSession::OnClosed(const absl::Status& why) {
  violated_ = absl::IsDataLoss(why);
  counted_.Close();
  if (gave_up_) {
    close_status_ = absl::UnavailableError(
        "the server lives, but did not answer a ping within keepalive_timeout: is it stopped, or busy? "
        "Whether it "
        "handled the call is not known");
  } else if (!greeted_ && absl::IsDataLoss(why)) {
    close_status_ = absl::FailedPreconditionError(
        absl::StrCat("what listens there does not speak as this address does (", why.message(),
                     "). Is this the server's own address, with its scheme?"));
  } else {
    close_status_ = absl::UnavailableError(absl::StrCat(
        "the connection ended: ", why.message(),
        greeted_ ? "; whether the server handled the call is not known" : ", before the server's hello"));
    if (!greeted_ && absl::IsUnimplemented(why)) close_status_ = why;  // No version in common.
  }
  closed_.store(true, std::memory_order_release);
  for (auto& entry : calls_) {
    ClientCall* call = entry.load(std::memory_order_acquire);
    if (call == nullptr) break;
    EndByClose(*call);
  }
}

void ClientSession::EndByClose(ClientCall& call) {
  const bool taken = call.ordinal() <= starts_taken_[static_cast<size_t>(call.lane())];
  EndOf(call, taken ? close_status_
                    : NotSent(absl::UnavailableError("the server left before it had taken the call")));
}

void ClientSession::SendCancel(ClientCall& call) {
  if (forked()) [[unlikely]] {
    return;
  }
  FrameWriter::Lock lock(write_mutex_);
  if (!call.done()) SendCancel(lock, call.stream());
}

bool ClientSession::Abandon(ClientCall& call) {
  if (forked()) [[unlikely]] {
    return true;
  }
  // Under the lock: once abandoned, the call no longer keeps this session from being retired.
  FrameWriter::Lock lock(write_mutex_);
  return Abandon(lock, call);
}

bool ClientSession::Abandon(FrameWriter::Lock& /*lock*/, ClientCall& call) {
  if (!call.Abandon()) return false;
  abandoned_ = true;
  return true;
}

bool ClientSession::AwaitStream(ClientCall& call, ClientContext& context, Sleeper& sleeper,
                                absl::FunctionRef<bool()> done) {
  if (forked()) [[unlikely]] {
    return false;
  }
  const Wait wait{
      .call = call, .context = context, .sleeper = sleeper, .deadline_nanos = WaitDeadline(context)};
  return Await(wait, done);
}

}  // namespace sidecall
