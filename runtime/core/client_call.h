// ClientCall: one call in flight on a client's connection, found by its index, used again for later calls.
#ifndef SIDECALL_CORE_CLIENT_CALL_H_
#define SIDECALL_CORE_CLIENT_CALL_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "sidecall/internal/message.h"
#include "sidecall/internal/method.h"
#include "transport/frame.h"

namespace sidecall {

class ClientContext;

class ClientCall {
 public:
  explicit ClientCall(uint32_t index) : index_(index) {}

  // Begins another call. REQUIRES: it is free, and the write lock is held. Returns its stream.
  uint32_t Begin(const internal::Method& method, ClientContext& context, internal::MessageTarget& reply);
  bool free() const { return state_.load(std::memory_order_acquire) == State::kFree; }
  // The caller has taken the status, and touches this object no more.
  absl::Status Take();

  // -- The reader's -----------------------------------------------------------------------------------------
  // Ends the call with a whole END frame, whose message may have `max_message` bytes. `own`: the reader is
  // the caller itself. DATA_LOSS where the frame is none.
  absl::Status CompleteWith(const FrameHeader& header, std::string_view body, uint64_t max_message, bool own);
  // Ends the call with `status`; frees it where the caller has left. No effect where it has ended already.
  void Fail(const absl::Status& status, bool own);

  // -- The caller's -----------------------------------------------------------------------------------------
  bool done() const { return state_.load(std::memory_order_acquire) == State::kDone; }
  // The same after AnnounceSleep: in one order with it, and with the reader's look at whether this caller
  // sleeps.
  bool done_after_announcing() const { return state_.load(std::memory_order_seq_cst) == State::kDone; }
  // Leaves before the end. False: the end has come in between, and done() will be true at once. The object
  // stays in use until the server has answered: its index must not be used again before.
  bool Abandon();
  // Sleeps until woken, done, or `deadline_nanos`. Announce first, look again, then sleep.
  void AnnounceSleep() { wake_.store(kAsleep, std::memory_order_seq_cst); }
  void CancelSleep() { wake_.store(kAwake, std::memory_order_relaxed); }
  void Sleep(int64_t deadline_nanos);
  // Wakes the sleeping caller, to read in place of the one before. False where it does not sleep.
  bool WakeToRead();

  uint32_t stream() const { return stream_.load(std::memory_order_relaxed); }
  const internal::Method& method() const { return *method_.load(std::memory_order_relaxed); }

 private:
  enum class State : uint32_t { kFree, kWaiting, kCompleting, kDone, kAbandoned };
  static constexpr uint32_t kAwake = 0;
  static constexpr uint32_t kAsleep = 1;

  // Claims the right to end the call. False where the caller has left (and the call is free now), or it has
  // ended.
  bool Claim(bool own);
  void FinishClaimed(bool own);
  // Gives it back: the frame was another generation's.
  void Unclaim() { state_.store(State::kWaiting, std::memory_order_release); }

  const uint32_t index_;
  uint32_t generation_ = 0;
  std::atomic<uint32_t> stream_{0};
  std::atomic<State> state_{State::kFree};
  std::atomic<uint32_t> wake_{kAwake};
  std::atomic<const internal::Method*> method_{nullptr};  // a stale answer may ask for it at any time
  ClientContext* context_ = nullptr;
  internal::MessageTarget* reply_ = nullptr;
  absl::Status status_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CLIENT_CALL_H_
