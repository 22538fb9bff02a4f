// ClientCall: one call in flight on a client's connection, found by its index, used again for later calls.
//
// A streaming call's END is a unary call's reply; what comes before it goes to its FrameStream.
#ifndef SIDECALL_CORE_CLIENT_CALL_H_
#define SIDECALL_CORE_CLIENT_CALL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "core/frame_stream.h"
#include "core/sleeper.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/message.h"
#include "sidecall/internal/method.h"
#include "transport/clock.h"
#include "transport/frame.h"

namespace sidecall {

// The status of a call whose caller waits no more: CANCELLED or DEADLINE_EXCEEDED.
absl::Status LeftByCaller(const internal::Method& method, const ClientContext& context);

// Until when a caller waits: kInfiniteFutureNanos where the call has no deadline.
inline int64_t WaitDeadline(const ClientContext& context) {
  const int64_t deadline = context.deadline_nanos();
  return deadline == ClientContext::kNoDeadline ? kInfiniteFutureNanos : deadline;
}

class FramePendingCall;

class ClientCall {
 public:
  explicit ClientCall(uint32_t index);
  ~ClientCall();

  // Begins another call. `reply`: where the one message of its reply goes, null for a server that streams.
  // REQUIRES: it is free, and the write lock is held. Returns its stream.
  uint32_t Begin(const internal::Method& method, ClientContext& context, internal::MessageTarget* reply);
  // The same for a streaming call, which may send so many bytes, and receive so many.
  uint32_t BeginStreaming(const internal::Method& method, ClientContext& context,
                          internal::MessageTarget* reply, uint32_t send_window, uint32_t receive_window);
  // The same for a unary call of which nobody waits yet: `reply` is a message, as no target is kept for it.
  uint32_t BeginPending(const internal::Method& method, ClientContext& context,
                        google::protobuf::MessageLite& reply);
  bool free() const { return state_.load(std::memory_order_acquire) == State::kFree; }
  // The caller has taken the status, and touches this object no more.
  absl::Status Take();

  // -- The reader's -----------------------------------------------------------------------------------------
  // Ends the call with a whole END frame, whose message may have `max_message` bytes. `own`: the reader is
  // the caller itself. DATA_LOSS where the frame is none.
  absl::Status CompleteWith(const FrameHeader& header, std::string_view body, uint64_t max_message, bool own);
  // Ends the call with `status`; frees it where the caller has left. No effect where it has ended already.
  void Fail(const absl::Status& status, bool own);

  // Takes a METADATA frame's body. DATA_LOSS where it is none, or the second.
  absl::Status TakeInitialMetadata(std::string_view body);

  // -- The caller's -----------------------------------------------------------------------------------------
  bool done() const { return state_.load(std::memory_order_seq_cst) == State::kDone; }
  // The server's initial metadata is in the context, as far as there is any.
  bool has_initial_metadata() const { return metadata_taken_.load(std::memory_order_seq_cst); }
  // Leaves before the end. False: the end has come in between, and done() will be true at once. The object
  // stays in use until the server has answered: its index must not be used again before.
  bool Abandon();
  // The caller's hold on a call that was begun by BeginPending: made when first needed, then used again.
  std::unique_ptr<FramePendingCall>& pending() { return pending_; }
  // Where the caller sleeps until the end.
  Sleeper& caller() { return caller_; }
  // Wakes one thread of the call that sleeps, to read in place of the one before. False where none does.
  bool WakeToRead();

  // Null for a unary call. Any thread.
  FrameStream* streaming() const { return streaming_.load(std::memory_order_acquire); }
  // Which START of its connection and lane is its own, counted from 1 in the order in which they are sent
  // whole; 0 until it is.
  void set_ordinal(uint64_t ordinal) { ordinal_.store(ordinal, std::memory_order_relaxed); }
  uint64_t ordinal() const { return ordinal_.load(std::memory_order_relaxed); }
  // Of its frames, but for those of control. Set when it begins.
  void set_lane(Lane lane) { lane_.store(lane, std::memory_order_relaxed); }
  Lane lane() const { return lane_.load(std::memory_order_relaxed); }
  uint32_t stream() const { return stream_.load(std::memory_order_relaxed); }
  const internal::Method& method() const { return *method_.load(std::memory_order_relaxed); }

 private:
  enum class State : uint32_t { kFree, kWaiting, kCompleting, kDone, kAbandoned };
  // Claims the right to end the call. False where the caller has left (and the call is free now), or it has
  // ended.
  bool Claim(bool own);
  // What CompleteWith does with any frame but the usual one, a reply's message and nothing else.
  absl::Status TakeEnd(const FrameHeader& header, std::string_view body, uint64_t max_message);
  void FinishClaimed(bool own);
  // Gives it back: the frame was another generation's.
  void Unclaim() { state_.store(State::kWaiting, std::memory_order_release); }

  const uint32_t index_;
  uint32_t generation_ = 0;
  std::atomic<uint32_t> stream_{0};
  std::atomic<uint64_t> ordinal_{0};
  std::atomic<Lane> lane_{Lane::kData};
  std::atomic<State> state_{State::kFree};
  std::atomic<FrameStream*> streaming_{nullptr};
  std::atomic<bool> metadata_taken_{false};
  std::unique_ptr<FrameStream> frame_stream_;  // made when first needed
  Sleeper caller_;
  std::atomic<const internal::Method*> method_{nullptr};  // a stale answer may ask for it at any time
  ClientContext* context_ = nullptr;
  internal::MessageTarget* reply_ = nullptr;
  std::optional<internal::ProtobufTarget> pending_reply_;
  std::unique_ptr<FramePendingCall> pending_;
  absl::Status status_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CLIENT_CALL_H_
