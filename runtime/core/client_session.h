// ClientSession: one connection of a client, from its hello to its end, and the calls in flight on it.
//
// There is no thread here: the callers read. One of them has the reader role; it polls, completes whatever
// calls it reads about, and hands the role on when its own reply is in. The others sleep until their reply is
// in, or the role is theirs.
#ifndef SIDECALL_CORE_CLIENT_SESSION_H_
#define SIDECALL_CORE_CLIENT_SESSION_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/adaptive_spin.h"
#include "core/client_call.h"
#include "core/connection_watch.h"
#include "core/fork_guard.h"
#include "core/frame_reader.h"
#include "core/frame_writer.h"
#include "core/handshake.h"
#include "core/keepalive.h"
#include "core/process_counters.h"
#include "sidecall/channel.h"
#include "transport/clock.h"
#include "transport/event_loop.h"
#include "transport/transport.h"

namespace sidecall {

class ClientSession final : private WholeFrameSink {
 public:
  // Shakes hands over `connection`, until `deadline_nanos`, or `cancel_descriptor` is readable, as
  // Transport::Connect. `write_mutex`, the channel's, becomes the connection's write lock, and must outlive
  // the session.
  static absl::StatusOr<std::unique_ptr<ClientSession>> Open(std::unique_ptr<Connection> connection,
                                                             WriteMutex& write_mutex,
                                                             const ChannelOptions& options,
                                                             int64_t deadline_nanos, int cancel_descriptor);

  // What a call begins with.
  struct NewCall {
    const internal::Method& method;
    ClientContext& context;
    const internal::MessageSource* request;  // null for a client that sends many
    internal::MessageTarget* reply;          // null for a server that sends many
    // In place of `reply`, for a call of which nobody waits yet.
    google::protobuf::MessageLite* pending_reply = nullptr;
    bool may_wait = false;  // until SendWaiting
  };
  // Begins a call, with its request, which has so many bytes. REQUIRES: `lock` is the write lock.
  // RESOURCE_EXHAUSTED, not sent, where the server takes no more calls or no such large message;
  // UNIMPLEMENTED, not sent, where it takes no streams.
  absl::StatusOr<ClientCall*> Start(FrameWriter::Lock& lock, const NewCall& start, size_t request_size);

  // Sends what may have waited.
  void SendWaiting(const FrameWriter::Lock& lock) {
    if (writer_.has_put_off()) FlushTellingReader(lock);
  }

  // Waits for the end of a unary call and gives its status. The call is gone.
  absl::Status Finish(ClientCall& call, ClientContext& context);
  // The same at once, for a call that has ended.
  absl::Status TakeEnded(ClientCall& call);
  // A unary call that nobody waits for any more. It is gone, or will be when the server has answered.
  void Drop(ClientCall& call);

  // -- Streams ----------------------------------------------------------------------------------------------
  // Sends a MESSAGE frame of `call`: a burst of several messages, or `message`, or neither. False where the
  // stream is over.
  bool SendMessage(ClientCall& call, std::string_view several, const internal::MessageSource* message,
                   size_t size, bool half_close);
  void SendWindow(ClientCall& call, uint64_t bytes);
  // Tells the server that nobody waits for it. The call goes on until its end.
  void SendCancel(ClientCall& call);
  // The call is not waited for any more: it ends by itself. False where it has: Take its status. What the
  // server has sent, or sends until it knows, stays in the connection until somebody reads: who finishes the
  // call, who begins the next one, and whoever waits for anything. Where neither happens, it may fill a small
  // ring, and other handlers of this connection then wait for room.
  bool Abandon(ClientCall& call);
  // Waits, by reading or asleep at `sleeper`, until `done()`. False: the deadline or a cancel came first.
  bool AwaitStream(ClientCall& call, ClientContext& context, Sleeper& sleeper,
                   absl::FunctionRef<bool()> done);
  // Reads what has come, unless somebody is at it.
  void ReadWhatIsThere();
  // Sends what found no room.
  void Flush();
  bool has_pending() const { return writer_.has_pending(); }
  bool waits_for_room() const { return writer_.has_pending() && !writer_.has_put_off(); }
  // Whoever sends for `call`, a streaming call's producer: waits until nothing waits for room any more. False
  // as AwaitStream.
  bool AwaitRoom(ClientCall& call, ClientContext& context);
  // In a child of fork(), whose parent has the connection: nothing of it is to be touched.
  bool forked() const { return fork_guard_.forked(); }
  uint64_t max_send_message() const { return agreement_.peer.max_message; }
  uint64_t max_receive_message() const { return max_receive_message_; }

  // False where new calls need another connection: it ended, or the server asked to leave.
  bool usable() const {
    return !closed_.load(std::memory_order_acquire) && !going_away_.load(std::memory_order_acquire);
  }
  // The same, after a look at a connection on which no call has begun for a while: nobody else reads of its
  // end, or that the server asks to leave, before a call would be lost on it. REQUIRES: the write lock is
  // held.
  bool UsableForNewCall() {
    const int64_t now = CoarseMonotonicNanos();
    if (now - std::exchange(last_start_nanos_, now) > kIdleNanos) [[unlikely]] {
      LookAround();
    }
    return usable();
  }

  // REQUIRES: not usable.
  std::string WhyUnusable() const;
  // The server broke the protocol.
  bool violated() const { return closed() && violated_; }

  // Reads what has come, unless somebody is at it: of a connection at which nobody has looked for a while.
  void LookAround();

  // True where no caller is in here any more. REQUIRES: not usable, and the write lock is held.
  bool Unused() const;
  const PeerIdentity& peer() const { return connection_->peer(); }

 private:
  class CancelWaker;

  ClientSession(std::unique_ptr<Connection> connection, WriteMutex& write_mutex,
                const ChannelOptions& options, std::unique_ptr<EventLoop> events);
  absl::Status AwaitHello(int64_t deadline_nanos, int cancel_descriptor);
  absl::Status ReadHello(int64_t deadline_nanos);

  absl::Status OnWholeFrame(const FrameHeader& header, std::string_view body) override;
  absl::StatusOr<bool> OnSplitBegins(const FrameHeader& header, uint64_t size) override;
  void OnTooLarge(const FrameHeader& header, uint64_t size) override;
  void OnClosed(const absl::Status& why) override;

  // One thread's wait for something of its call.
  struct Wait {
    ClientCall& call;
    ClientContext& context;
    Sleeper& sleeper;
    int64_t deadline_nanos;  // kInfiniteFutureNanos for none
  };

  ClientCall* FreeCall();
  absl::Status TooManyCalls() const;
  // Begins `call`; returns its stream.
  uint32_t Begin(ClientCall& call, const NewCall& start) const;
  ClientCall* CallOf(uint32_t stream) const;
  FrameStream* StreamOf(uint32_t stream) const;
  absl::Status EndCall(const FrameHeader& header, std::string_view body);
  absl::Status TakeMessage(const FrameHeader& header, std::string_view body);
  void EndOf(ClientCall& call, const absl::Status& why);
  void EndByClose(ClientCall& call);

  bool closed() const { return closed_.load(std::memory_order_acquire); }
  bool TakeReaderRole() { return !reader_.exchange(true, std::memory_order_seq_cst); }
  void HandReaderRoleOn(bool release);
  template <typename Done>
  bool Await(const Wait& wait, Done done);
  template <typename Done>
  bool ReadUntil(const Wait& wait, Done done, CancelWaker& waker);
  template <typename Done>
  void SleepAsFollower(const Wait& wait, Done done);
  bool SleepUntilReadable(int64_t deadline_nanos);
  size_t PollFrames();
  void PollWhatIsThere();
  void SleepUntilHeard(int64_t deadline_nanos);
  void FlushTellingReader(const FrameWriter::Lock& lock);
  void SendCancel(FrameWriter::Lock& lock, uint32_t stream);
  bool Abandon(FrameWriter::Lock& lock, ClientCall& call);

  // Calls of one channel at once; a server may take fewer.
  static constexpr uint32_t kMaxCalls = 4096;
  // The one connection of its event loop; and, while it shakes hands, what says that nobody waits for it.
  static constexpr uint64_t kWatchId = 1;
  static constexpr uint64_t kCancelWatchId = 2;
  // After which a server may well have restarted, and a system call does not matter.
  static constexpr int64_t kIdleNanos = 10'000'000;

  const ForkGuard fork_guard_;
  const std::unique_ptr<Connection> connection_;
  WriteMutex& write_mutex_;
  const uint64_t max_receive_message_;
  const std::unique_ptr<EventLoop>
      events_;  // what the reader sleeps on; woken when others' output waits for room
  const bool peer_is_self_;
  CountedConnection counted_{CallSide::kClient};
  Agreement agreement_;
  bool greeted_ = false;

  // Under the write lock.
  int64_t last_start_nanos_ = 0;           // coarse
  std::array<uint64_t, kLanes> starts_{};  // sent whole, ever, by lane
  bool abandoned_ = false;                 // a call, since the last one began

  FrameWriter writer_;
  FrameReader frames_;
  AdaptiveSpin spin_;  // the reader's, as is:
  Keepalive keepalive_;
  bool gave_up_ = false;  // the server did not answer
  ConnectionWatch watch_;
  std::vector<EventLoop::Ready> ready_;
  ClientCall* reading_for_ = nullptr;    // the reader's own call, where it is unary
  FrameStream* reading_into_ = nullptr;  // the stream whose consumer the reader is
  absl::Status close_status_;
  bool violated_ = false;                            // by the server; as close_status_
  std::array<uint64_t, kLanes> starts_taken_ = [] {  // by the server, as its last word says, by lane
    std::array<uint64_t, kLanes> all;
    all.fill(UINT64_MAX);
    return all;
  }();

  std::atomic<bool> closed_{false};  // close_status_ tells why
  std::atomic<bool> going_away_{false};
  std::atomic<bool> reader_{false};  // taken
  std::atomic<int> followers_{0};    // callers that sleep, or are about to
  std::atomic<uint32_t> free_hint_{0};

  // By index; made when first needed, under the write lock.
  std::vector<std::atomic<ClientCall*>> calls_;
  std::vector<std::unique_ptr<ClientCall>> owned_calls_;
  // By method id: the server knows it. Set by the reader.
  std::vector<std::atomic<bool>> method_known_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CLIENT_SESSION_H_
