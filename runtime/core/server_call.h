// FrameServerCall: one call that a server serves over frames. Kept by its connection, found by its index,
// used again. What a streaming one has beyond a unary one is in its FrameStream.
#ifndef SIDECALL_CORE_SERVER_CALL_H_
#define SIDECALL_CORE_SERVER_CALL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "core/dispatcher.h"
#include "core/frame_stream.h"
#include "core/reader_role.h"
#include "sidecall/internal/call_engine.h"
#include "sidecall/internal/call_measure.h"
#include "sidecall/internal/parse_message.h"
#include "sidecall/server_context.h"
#include "sidecall/trace.h"

namespace sidecall {

class ServerSession;

class FrameServerCall final : public internal::ServerCall {
 public:
  // What the handler's thread does once the request is parsed: the reader role becomes stealable.
  class BeforeHandler {
   public:
    virtual void OnRequestParsed() = 0;

   protected:
    ~BeforeHandler() = default;
  };

  explicit FrameServerCall(ServerSession& session) : session_(session) {}

  // A call begins, with that frame. `method_known`: tell the client that its method id is known from now on.
  // `send_window`: bytes that a streaming one may send.
  void Begin(const FrameHeader& start, const Dispatcher::Entry& entry, int64_t deadline_nanos,
             bool method_known, uint32_t send_window);
  // The request's bytes, valid until the session's next Poll.
  void SetRequest(std::string_view request) {
    request_ = request;
    measure_.bytes_received = request.size();
  }
  // Copies them, for a handler that runs beside that Poll.
  void KeepRequest() {
    const size_t size = request_.size();
    kept_request_.reserve(size + internal::kReadableBehindMessage);
    kept_request_.assign(request_);
    kept_bytes_.store(size, std::memory_order_relaxed);
    request_ = kept_request_;
  }
  // It is a call of its method from now on, whoever ends it.
  void ObserveStart();
  // Its answer, with a message of so many bytes, is about to be sent. Once.
  void ObserveEnd(absl::StatusCode code, size_t message_bytes);
  // False where the call runs elsewhere already, or was refused.
  bool ClaimRun() { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  // Bytes that it keeps so.
  size_t kept_bytes() const { return kept_bytes_.load(std::memory_order_relaxed); }
  // Runs the handler, which calls what is below.
  void Run(BeforeHandler& before);

  // The handler's reads and writes end then, if not earlier. Of the runtime's own services. REQUIRES: before
  // the handler.
  void LimitDeadline(int64_t deadline_nanos) {
    if (deadline_nanos_ == 0 || deadline_nanos < deadline_nanos_) deadline_nanos_ = deadline_nanos;
  }

  ServerContext& context() override { return context_; }
  absl::Status ReceiveMessage(internal::MessageTarget& request) override;
  bool Read(internal::MessageTarget& message) override;
  bool Write(const internal::MessageSource& message, const WriteOptions& options) override;
  void SendInitialMetadata() override;
  void NotifyOnCancel(std::function<void()> callback) override;
  void TryCancel() override;
  void Finish(const absl::Status& status, const internal::MessageSource* reply) override;

  // True from Begin until the answer is on its way.
  bool open() const { return open_.load(std::memory_order_acquire); }
  void SetClosed() { open_.store(false, std::memory_order_release); }
  // Nobody waits for the answer any more. REQUIRES: open, and the reader role.
  void Cancel();
  // Null for a unary call.
  FrameStream* streaming() const { return streaming_ ? frame_stream_.get() : nullptr; }
  bool built_in() const { return entry_->built_in; }
  const internal::Method& method() const { return *entry_->method; }
  ServerSession& session() const { return session_; }
  uint32_t stream() const { return stream_.load(std::memory_order_relaxed); }
  // Of its frames, but for those of control.
  Lane lane() const { return lane_; }

 private:
  void OnRequestParsed();
  // What the method's rule says, its predicate included.
  absl::Status CheckAccess() const;
  void NoteStatus(const absl::Status& status);
  int64_t WaitDeadline() const;
  bool PastDeadline() const;
  void MarkCancelled();
  void ForgetRequest();
  // Whether what the handler reads or writes now is lost on the client. However the handler puts it, the call
  // has not ended well then.
  bool CutShort() {
    if (!frame_stream_->over()) [[likely]] {
      return false;
    }
    NoteCutShort();
    return true;
  }
  void NoteCutShort();
  // Read's, where no message is there.
  [[gnu::noinline]] FrameStream::Taken AwaitMessage(internal::MessageTarget& message);
  // Read's, where none comes any more.
  [[gnu::noinline]] void EndReading(FrameStream::Taken taken);
  bool AwaitWindow();
  bool AwaitRoom();
  void CountSent();
  [[gnu::noinline]] void CountReceived();
  void EndBurst();
  void FlushBurst();
  bool Await(Sleeper& sleeper, absl::FunctionRef<bool()> done);
  absl::Status StatusToSend(const absl::Status& status) const;

  ServerSession& session_;
  std::atomic<bool> open_{false};
  std::atomic<uint32_t> stream_{0};
  Lane lane_ = Lane::kData;
  const Dispatcher::Entry* entry_ = nullptr;
  std::string_view request_;
  std::string kept_request_;
  std::atomic<size_t> kept_bytes_{0};
  std::atomic<bool> claimed_{false};
  bool method_known_ = false;
  int64_t deadline_nanos_ = 0;
  BeforeHandler* before_ = nullptr;
  std::atomic<bool> notified_{false};  // the context is known to the notifier
  std::atomic<bool> cancelled_by_handler_{false};
  bool streaming_ = false;
  bool initial_metadata_sent_ = false;
  bool last_written_ = false;
  std::unique_ptr<FrameStream> frame_stream_;  // made when first needed
  ServerContext context_;
  internal::CallMeasure measure_;
  std::unique_ptr<TraceSpan> span_;  // the trace hook's, while the handler runs
  absl::Status spans_status_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_SERVER_CALL_H_
