// FrameClientStream: the client's side of a streaming call over frames.
#ifndef SIDECALL_CORE_CLIENT_STREAM_H_
#define SIDECALL_CORE_CLIENT_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "core/client_session.h"
#include "core/frame_stream.h"
#include "core/read_turn.h"
#include "core/sleeper.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/call_engine.h"

namespace sidecall {

class FrameClientStream final : public internal::ClientStream, private ClientContext::Waker {
 public:
  // `call` has begun on `session`; `half_closed` where its START was all that the client sends. The session
  // must outlive the call, and the context this object.
  FrameClientStream(ClientSession& session, ClientCall& call, ClientContext& context, bool half_closed);
  ~FrameClientStream() override;
  FrameClientStream(const FrameClientStream&) = delete;
  FrameClientStream& operator=(const FrameClientStream&) = delete;

  bool Write(const internal::MessageSource& message, const WriteOptions& options) override;
  bool WritesDone() override;
  void WaitForInitialMetadata() override;
  bool Read(internal::MessageTarget& message) override;
  absl::Status Finish() override;

 private:
  static constexpr uint32_t kWritesPerClock = 16;

  // The caller cancelled: the server is to know at once, whatever the stream's own threads are at.
  void WakeForCancel() override;
  // Whether to look for what the server has sent: window, or that the call has ended. Where window runs low;
  // and at each tick of the coarse clock, so that a slow writer looks each time. In the midst of a burst,
  // whose next message is to follow at once, one in sixteen looks at the clock: that takes a tenth of what a
  // message does.
  bool TimeToLook() {
    if (stream_.TimeToLookForWindow()) return true;
    if (++writes_ % kWritesPerClock != 0 && !stream_.burst().empty()) [[likely]] {
      return false;
    }
    return ClockHasTicked();
  }
  bool ClockHasTicked();
  bool AwaitWindow();
  bool Await(Sleeper& sleeper, absl::FunctionRef<bool()> done);
  bool Send(const internal::MessageSource* message, size_t size, bool half_close);
  bool EndBurst(bool half_close);
  void FlushBurst();
  void CountSent();
  [[gnu::noinline]] void CountReceived();
  bool AwaitRoom();
  // Read's, where no message is there.
  [[gnu::noinline]] FrameStream::Taken AwaitMessage(internal::MessageTarget& message);
  absl::Status Malformed() const;
  absl::Status TooLarge(size_t size) const;
  void ReturnWindow();
  // Whether the call is not waited for any more: also because it was cancelled just now, and has not ended.
  bool GaveUp() {
    if (session_.forked() || context_.cancelled()) [[unlikely]] {
      GiveUpWhereDue();
    }
    return stream_.broken();
  }
  void GiveUpWhereDue();
  void GiveUp(const absl::Status& why);
  void CancelOnce();
  absl::Status Leave();

  ClientSession& session_;
  ClientCall& call_;
  ClientContext& context_;
  FrameStream& stream_;
  bool half_closed_;             // the producer's
  int64_t looked_at_nanos_ = 0;  // coarse; the producer's, as is the next
  uint32_t writes_ = 0;
  ReadTurn read_turn_;
  std::mutex finish_mutex_;  // one Finish at a time
  std::atomic<bool> cancel_sent_{false};
  std::atomic<bool> finished_{false};  // then the call is another's, perhaps
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CLIENT_STREAM_H_
