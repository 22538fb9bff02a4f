#include "core/client_stream.h"

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/call_counters.h"
#include "core/client_observation.h"
#include "sidecall/client_context.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

// Where messages go that nobody reads.
class Dropped final : public internal::MessageTarget {
 public:
  bool Parse(const char* /*bytes*/, size_t /*size*/) override { return true; }
};

}  // namespace

FrameClientStream::FrameClientStream(ClientSession& session, ClientCall& call, ClientContext& context,
                                     bool half_closed)
    : session_(session),
      call_(call),
      context_(context),
      stream_(*call.streaming()),
      half_closed_(half_closed) {
  if (!context.AddWaker(*this)) WakeForCancel();
}

FrameClientStream::~FrameClientStream() {
  if (finished_) return;
  GiveUp(absl::CancelledError("the stream was destroyed before Finish"));
  (void)Finish();
}

bool FrameClientStream::Write(const internal::MessageSource& message, const WriteOptions& options) {
  if (finished_ || half_closed_ || stream_.over() || GaveUp()) return false;
  const size_t size = message.ByteSize();
  if (size > session_.max_send_message()) {
    GiveUp(TooLarge(size));
    return false;
  }
  if (TimeToLook()) {
    session_.ReadWhatIsThere();
    if (HasPassed(WaitDeadline(context_))) GiveUp(LeftByCaller(call_.method(), context_));
    if (stream_.over() || call_.done()) return false;
  }
  if (!stream_.has_window() && !AwaitWindow()) return false;
  stream_.Spend(size);
  const bool last = options.is_last_message();
  const bool more = options.buffer_hint() && !last;
  if (!stream_.JoinsBurst(size, more)) {
    FlushBurst();
    return Send(&message, size, last);
  }
  FrameStream::Burst& burst = stream_.burst();
  if (burst.full() && !EndBurst(false)) return false;
  if (burst.empty()) CountSent();
  burst.Add(message, size);
  if (more && !burst.full()) return true;
  return EndBurst(last) && AwaitRoom();
}

absl::Status FrameClientStream::TooLarge(size_t size) const {
  return absl::ResourceExhaustedError(
      absl::StrCat("a message to ", std::string(call_.method().full_name()), " has ", size,
                   " bytes, and the server takes ", session_.max_send_message(),
                   ". Send less, or raise the server's max_receive_message_bytes"));
}

bool FrameClientStream::ClockHasTicked() {
  const int64_t now = CoarseMonotonicNanos();
  return now != std::exchange(looked_at_nanos_, now);
}

void FrameClientStream::WakeForCancel() {
  if (!call_.done()) GiveUp(LeftByCaller(call_.method(), context_));
}

bool FrameClientStream::WritesDone() {
  if (finished_ || half_closed_ || stream_.over() || GaveUp()) return false;
  return EndBurst(true);
}

bool FrameClientStream::Send(const internal::MessageSource* message, size_t size, bool half_close) {
  CountSent();
  const bool sent = session_.SendMessage(call_, {}, message, size, half_close);
  if (half_close) half_closed_ = true;
  return sent && AwaitRoom();
}

// The producer's. Does not wait for room. False where it reaches nobody.
bool FrameClientStream::EndBurst(bool half_close) {
  CountSent();
  bool sent = !stream_.over();
  stream_.burst().End([&](std::string_view messages) {
    if (!messages.empty() || half_close) {
      sent = session_.SendMessage(call_, messages, nullptr, 0, half_close);
    }
  });
  if (half_close) half_closed_ = true;  // Not before: where there was no memory to send, Finish tries again.
  return sent;
}

void FrameClientStream::FlushBurst() {
  stream_.burst().Flush(
      [&](std::string_view messages) { session_.SendMessage(call_, messages, nullptr, 0, false); });
}

void FrameClientStream::CountSent() {
  CountMessagesSent(CallSide::kClient, context_.measure(), stream_.sent_tally());
}

void FrameClientStream::CountReceived() {
  CountMessagesReceived(CallSide::kClient, context_.measure(), stream_.received_tally());
}

// What found no room leaves only while somebody is in here.
bool FrameClientStream::AwaitRoom() {
  if (!session_.has_pending()) [[likely]] {
    return true;
  }
  if (session_.AwaitRoom(call_, context_)) return !stream_.over();
  GiveUp(LeftByCaller(call_.method(), context_));
  return false;
}

bool FrameClientStream::AwaitWindow() {
  EndBurst(false);
  return Await(stream_.producer(), [this] { return stream_.has_window() || stream_.over(); }) &&
         !stream_.over();
}

// False where the call was given up instead.
bool FrameClientStream::Await(Sleeper& sleeper, absl::FunctionRef<bool()> done) {
  const auto done_or_ended = [&] { return done() || call_.done(); };
  if (session_.AwaitStream(call_, context_, sleeper, done_or_ended)) return true;
  GiveUp(LeftByCaller(call_.method(), context_));
  return false;
}

void FrameClientStream::WaitForInitialMetadata() {
  FlushBurst();
  Await(stream_.consumer(), [this] { return call_.has_initial_metadata() || stream_.HasNext(); });
}

bool FrameClientStream::Read(internal::MessageTarget& message) {
  const ReadTurn::Scope turn(read_turn_);
  if (!turn || GaveUp()) return false;
  FrameStream::Taken taken = stream_.Take(message);
  if (taken == FrameStream::Taken::kNothing) taken = AwaitMessage(message);
  if (taken == FrameStream::Taken::kMalformed) GiveUp(Malformed());
  if (taken != FrameStream::Taken::kMessage || stream_.broken()) return false;
  stream_.NoteRead();
  if (stream_.TimeToCount()) CountReceived();
  ReturnWindow();
  return true;
}

FrameStream::Taken FrameClientStream::AwaitMessage(internal::MessageTarget& message) {
  FlushBurst();
  stream_.Expect(message);
  const bool waited = Await(stream_.consumer(), [this] { return stream_.HasNext(); });
  const FrameStream::Taken taken = stream_.TakeExpected(message);
  return waited ? taken : FrameStream::Taken::kEnd;
}

absl::Status FrameClientStream::Malformed() const {
  return absl::InternalError(
      absl::StrCat("a message of ", std::string(call_.method().full_name()),
                   " cannot be parsed: is the server built from another .proto, or a string no UTF-8?"));
}

void FrameClientStream::ReturnWindow() {
  if (const uint64_t bytes = stream_.WindowToReturn(); bytes > 0) session_.SendWindow(call_, bytes);
}

absl::Status FrameClientStream::Finish() {
  WritesDone();
  // In a child of fork() there are no other threads: what one of them had taken is never given back.
  const bool forked = session_.forked();
  std::unique_lock lock(finish_mutex_, std::defer_lock);
  if (!forked) lock.lock();
  if (finished_) return absl::FailedPreconditionError("Finish was called before on this stream");
  if (!forked) read_turn_.Close();
  CountReceived();
  Dropped dropped;
  while (!call_.done() && !stream_.broken()) {
    const FrameStream::Taken taken = stream_.Take(dropped);
    if (taken == FrameStream::Taken::kMessage) {
      ReturnWindow();
    } else if (taken == FrameStream::Taken::kEnd) {
      Await(call_.caller(), [] { return false; });
    } else {
      Await(stream_.consumer(), [this] { return stream_.HasNext(); });
    }
  }
  finished_ = true;
  CountSent();
  context_.RemoveWaker(*this);
  absl::Status status = Leave();
  ObserveEnd(context_, status);
  return status;
}

// The call's status; the call may be another's from here on.
absl::Status FrameClientStream::Leave() {
  if (!stream_.broken()) return call_.Take();
  // Also where what the server sent broke the stream.
  CancelOnce();
  // Other streams' messages may wait for the room that this one's take. Before Abandon, behind which the
  // session may go.
  session_.ReadWhatIsThere();
  absl::Status why = stream_.why_broken();
  if (!session_.Abandon(call_)) (void)call_.Take();
  return why;
}

void FrameClientStream::GiveUpWhereDue() {
  if (session_.forked()) stream_.Break(ForkGuard::Error("this stream's channel"));
  if (context_.cancelled() && !call_.done() && !stream_.broken())
    GiveUp(LeftByCaller(call_.method(), context_));
}

// The first reason counts. The call goes on until the server has ended it.
void FrameClientStream::GiveUp(const absl::Status& why) {
  stream_.Break(why);
  CancelOnce();
}

void FrameClientStream::CancelOnce() {
  if (!cancel_sent_.exchange(true)) session_.SendCancel(call_);
}

}  // namespace sidecall
