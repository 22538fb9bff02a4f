// ServerSession: one connection of a server, from its hello to its end, and the calls that are open on it.
//
// Threads: whoever has the server's reader role polls; any thread may end a call. The session lives until its
// connection has ended and its last call has.
#ifndef SIDECALL_CORE_SERVER_SESSION_H_
#define SIDECALL_CORE_SERVER_SESSION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/cancel_notifier.h"
#include "core/dispatcher.h"
#include "core/flood_budget.h"
#include "core/frame_reader.h"
#include "core/frame_writer.h"
#include "core/handshake.h"
#include "core/process_counters.h"
#include "core/server_call.h"
#include "sidecall/server.h"
#include "transport/transport.h"

namespace sidecall {

class ServerSession final : private WholeFrameSink {
 public:
  // What a session needs of the loop that polls it.
  class Host {
   public:
    // Any thread: that session has output that waits for room, or ended a call while its ends were watched.
    virtual void NeedsAttention(uint64_t session_id) = 0;
    // A handler's thread: waits until `done()`, reading itself where nobody else does, else asleep at
    // `sleeper`. `reading_into`: the stream whose consumer it is, or null. False: `deadline_nanos` came
    // first, or the server is stopping.
    virtual bool AwaitStream(Sleeper& sleeper, const FrameStream* reading_into, int64_t deadline_nanos,
                             absl::FunctionRef<bool()> done) = 0;
    // The reader: whether the server takes another call, which then counts until it has been answered.
    virtual bool TakesCall() = 0;
    // Any thread.
    virtual CancelNotifier& cancel_notifier() = 0;

   protected:
    ~Host() = default;
  };

  ServerSession(uint64_t id, std::unique_ptr<Connection> connection, const Dispatcher& dispatcher,
                const ServerOptions& options, Host& host);

  // -- The reader's -----------------------------------------------------------------------------------------
  // Reads what has arrived; calls that may run now are appended to `runnable`. `reading_into`: the stream for
  // whose message this thread waits, or null. Returns frames read.
  size_t Poll(std::vector<FrameServerCall*>& runnable, const FrameStream* reading_into) {
    runnable_ = &runnable;
    reading_into_ = reading_into;
    return frames_.Poll();
  }
  // Ends a runnable call with `status`, marked as not sent, instead of running its handler.
  void Refuse(FrameServerCall& call, const absl::Status& status);
  // Refuses new calls from now on, and tells the client so.
  void GoAway();
  // The last word, when nothing will be read any more: how many calls were taken, so that the client knows of
  // those that were not.
  void SayLast();
  // Tells every open call that nobody waits for it.
  void CancelCalls();
  Connection& connection() { return *connection_; }
  bool greeted() const { return greeted_; }
  bool closed() const { return closed_; }
  // Whether calls are still to be answered. From now on the host hears of each that is.
  bool HasOpenCalls();
  // Calls that run, or wait for it.
  uint64_t CountOpenCalls();
  // Whether the client leaves so many replies unread that no further call is to be run.
  bool OwesTooMuch() const { return writer_.pending_bytes() > options_.max_connection_bytes; }

  // -- Any thread's -----------------------------------------------------------------------------------------
  // Ends a call. `message` may be null.
  void SendEnd(FrameServerCall& call, const FrameHeader& header, std::string_view head,
               const internal::MessageSource* message);
  void Flush();
  // Frames of an open stream: a burst of several messages, or `message`; the initial metadata; window that
  // the peer may use again.
  void SendMessage(const FrameServerCall& call, std::string_view several,
                   const internal::MessageSource* message, size_t size);
  void SendMetadata(const FrameServerCall& call, std::string_view head);
  void SendWindow(uint32_t stream, uint64_t bytes);
  bool AwaitStream(Sleeper& sleeper, const FrameStream* reading_into, int64_t deadline_nanos,
                   absl::FunctionRef<bool()> done) {
    return host_.AwaitStream(sleeper, reading_into, deadline_nanos, done);
  }
  // The producer of `stream`: waits until nothing waits for room any more, or as AwaitStream.
  void AwaitRoom(FrameStream& stream, int64_t deadline_nanos);
  CancelNotifier& cancel_notifier() { return host_.cancel_notifier(); }
  bool has_pending() const { return writer_.has_pending(); }
  uint64_t max_send_message() const { return agreement_.peer.max_message; }
  const PeerIdentity& peer() const { return connection_->peer(); }
  uint64_t id() const { return id_; }

 private:
  absl::Status OnWholeFrame(const FrameHeader& header, std::string_view body) override;
  absl::StatusOr<bool> OnSplitBegins(const FrameHeader& header, uint64_t size) override;
  void OnTooLarge(const FrameHeader& header, uint64_t size) override;
  void OnClosed(const absl::Status& why) override;

  absl::Status Start(const FrameHeader& header, std::string_view body);
  absl::Status TakeFreeCall(const FrameHeader& start, FrameServerCall*& call);
  absl::Status CheckTakesCall(uint32_t stream, const Dispatcher::Entry& entry);
  absl::Status TakeRequest(FrameServerCall& call, const FrameHeader& header, const Dispatcher::Entry& entry,
                           std::string_view body);
  absl::Status FindMethod(const FrameHeader& header, std::string_view& body, const Dispatcher::Entry*& entry,
                          bool& announce);
  absl::Status TakeMessage(const FrameHeader& header, std::string_view body);
  absl::Status TakeWindow(const FrameHeader& header);
  // A frame without progress is charged to the connection.
  absl::Status ChargeFlood() { return flood_budget_.Spend() ? absl::OkStatus() : FloodBudget::Exceeded(); }
  absl::Status ChargeLate(size_t bytes);
  void TakeCancel(uint32_t stream);
  // The open call of that stream; null where it has ended, or has not begun.
  FrameServerCall* CallOf(uint32_t stream) const;
  FrameStream* StreamOf(uint32_t stream) const;
  void Send(FrameWriter::Lock& lock, const FrameHeader& header, std::string_view head,
            const internal::MessageSource* message, size_t size);
  // Ends a stream, begun by that frame, for which no handler runs.
  void Refuse(const FrameHeader& start, const absl::Status& status);
  void SendControl(FrameType type, uint32_t stream, uint64_t argument, uint32_t code = 0);
  void CountStart(Lane lane) { starts_[static_cast<size_t>(lane)]++; }
  absl::Status CheckRequest(const FrameHeader& header, const Dispatcher::Entry& entry, size_t size) const;
  absl::Status TooLarge(uint64_t size) const;
  absl::Status NoMemory() const;
  bool HasMemoryFor(uint64_t bytes);

  const uint64_t id_;
  const std::unique_ptr<Connection> connection_;
  const Dispatcher& dispatcher_;
  const ServerOptions& options_;
  Host& host_;
  CountedConnection counted_{CallSide::kServer};

  WriteMutex write_mutex_;
  FrameWriter writer_;
  // Under write_mutex_:
  uint64_t finished_ = 0;  // calls
  bool ends_watched_ = false;

  // The reader's.
  FrameReader frames_;
  Agreement agreement_;
  bool greeted_ = false;
  bool closed_ = false;
  bool going_away_ = false;
  FloodBudget flood_budget_;
  std::array<uint64_t, kLanes> starts_{};  // START frames that came, ever, by lane
  uint64_t started_ = 0;                   // of them, not refused
  // At least the bytes that streams hold unread: counted anew where it comes to too many.
  uint64_t unread_bound_ = 0;
  std::vector<FrameServerCall*>* runnable_ = nullptr;
  const FrameStream* reading_into_ = nullptr;
  std::vector<std::unique_ptr<FrameServerCall>> calls_;  // by stream index
  std::vector<uint32_t> cancelled_ahead_;          // by stream index: cancelled before it began; 0: none
  std::vector<const Dispatcher::Entry*> methods_;  // by the client's method id
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_SERVER_SESSION_H_
