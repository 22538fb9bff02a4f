// FrameStream: what a streaming call has beyond a unary one, the same on both sides: messages that arrived
// and were not taken, the windows of both directions, and the two threads that may wait for them.
//
// Threads: the *reader* (who has the connection's reader role) brings frames; one *consumer* takes messages;
// one *producer* sends them. Consumer and producer are the user's, and may be one.
//
// Memory: the receive window bounds what is kept (docs/protocol.md, "Flow control"). The object is its call's
// and used again for later streams of the same index, so that a late wake-up always finds it.
#ifndef SIDECALL_CORE_FRAME_STREAM_H_
#define SIDECALL_CORE_FRAME_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "core/call_counters.h"
#include "core/sleeper.h"
#include "core/write_mutex.h"
#include "sidecall/internal/message.h"
#include "transport/frame.h"

namespace sidecall {

class FrameStream {
  // Messages back to back: a u32 size, then so many bytes.
  struct Messages {
    std::unique_ptr<char[]> bytes;
    size_t capacity = 0;
    size_t size = 0;

    // Room for so many bytes more, at the end, with what a parser may look at behind.
    char* Grow(size_t more);
    void Append(std::string_view message);
    // Keeps memory of up to `kept` bytes for what comes next.
    void Clear(size_t kept);
  };

 public:
  // What a message costs of a window beside its own bytes: so that empty ones are bounded too.
  static constexpr int64_t kMessageCost = 64;
  static constexpr int64_t kMaxWindow = INT32_MAX;

  // A stream begins: bytes that this side may send, and that the peer may. REQUIRES: nobody uses the one
  // before.
  void Begin(uint32_t send_window, uint32_t receive_window);

  // -- The reader's -----------------------------------------------------------------------------------------
  // DATA_LOSS where the peer may not begin a message now: it has no window, or said that none follows.
  absl::Status CheckMessageBegins() const;
  // A whole MESSAGE frame with its body, and kReadableBehindMessage bytes behind that. `own`: the consumer is
  // this thread, and waits for what it told Expect. DATA_LOSS as above; RESOURCE_EXHAUSTED, which is the
  // stream's own failure, where a message has more than `max_message` bytes.
  absl::Status OnMessage(const FrameHeader& header, std::string_view body, uint64_t max_message, bool own);
  // The message of so many bytes that was just received, the first of the stream, costs no window.
  void Uncharge(size_t message_bytes) {
    received_ -= static_cast<int64_t>(message_bytes) + kMessageCost;
    unreturned_ -= static_cast<int64_t>(message_bytes) + kMessageCost;
  }
  // DATA_LOSS where the window grows beyond what there is.
  absl::Status OnWindow(uint64_t bytes);
  // Any thread. Bytes of messages that came and were not taken; those that the consumer took over together
  // count until it has taken the last.
  size_t unread_bytes() const {
    // In this order, the reverse of Take's: what changes hands meanwhile is not to count twice.
    const size_t taken = taken_bytes_.load(std::memory_order_acquire);
    return taken + filled_bytes_.load(std::memory_order_relaxed);
  }
  // Any thread. No message follows those that are there.
  void EndReceiving() { SetFlags(kReceivedAll); }
  // Any thread. The same, and what is sent reaches nobody.
  void End() { SetFlags(kReceivedAll | kOver); }
  // Any thread. The same, for a reason of this side's own, which is the call's status: the first one counts.
  void Break(const absl::Status& why);
  bool broken() const { return HasFlag(kBroken); }
  // REQUIRES: broken.
  absl::Status why_broken();
  // Whoever waits looks again.
  void WakeAll();

  // -- The consumer's ---------------------------------------------------------------------------------------
  enum class Taken { kNothing, kMessage, kMalformed, kEnd };
  // The next message, parsed into `target`. kNothing: none is there yet, and more may come.
  Taken Take(internal::MessageTarget& target);
  // About to wait for the next message, having taken all: one that this very thread reads goes straight to
  // `target`.
  void Expect(internal::MessageTarget& target) { expected_ = &target; }
  // What came of it: as Take.
  Taken TakeExpected(internal::MessageTarget& target);
  // Whether TakeExpected gives something.
  bool HasNext() const {
    return expected_taken_ != Taken::kNothing || filled_bytes_.load(std::memory_order_seq_cst) > 0 ||
           HasFlag(kReceivedAll);
  }
  // Bytes of window to give back to the peer now; 0 where it is too early.
  uint64_t WindowToReturn() {
    if (unreturned_ < return_at_ || unreturned_ <= 0) [[likely]] {
      return 0;
    }
    const int64_t bytes = std::exchange(unreturned_, 0);
    granted_.fetch_add(bytes, std::memory_order_release);
    return static_cast<uint64_t>(bytes);
  }
  // The message that was just taken goes to the user.
  void NoteRead() { received_tally_.Add(last_message_bytes_); }
  // Messages that did; and whether now is the time to count them: the next may have to be waited for.
  MessageTally& received_tally() { return received_tally_; }
  bool TimeToCount() const { return taken_at_ == taken_.size || received_tally_.messages >= kMostUncounted; }
  Sleeper& consumer() { return consumer_; }

  // -- The producer's ---------------------------------------------------------------------------------------
  bool has_window() const { return window(std::memory_order_seq_cst) > 0; }
  // Less than half of what it began with is left: time to look for more, each time that an eighth is gone.
  bool TimeToLookForWindow() {
    const int64_t window = this->window(std::memory_order_relaxed);
    if (window >= low_window_) [[likely]] {
      look_at_ = low_window_;
      return false;
    }
    if (window >= look_at_) return false;
    look_at_ = window - low_window_ / 4;
    return true;
  }
  // What is sent reaches nobody.
  bool over() const { return HasFlag(kOver); }
  void Spend(size_t message_bytes) {
    const int64_t spent =
        spent_.load(std::memory_order_relaxed) + static_cast<int64_t>(message_bytes) + kMessageCost;
    spent_.store(spent, std::memory_order_relaxed);
    sent_tally_.Add(message_bytes);
  }
  MessageTally& sent_tally() { return sent_tally_; }
  // Small messages that are to leave together, as the body of one frame, back to back like those received.
  // The producer puts them behind each other without a lock; producer or consumer sends them, in their order.
  class Burst {
   public:
    // Messages up to this size may join one.
    static constexpr size_t kMaxMessage = 1024;
    // Sends what it is given. May take the connection's write lock, which goes behind the burst's.
    using Send = absl::FunctionRef<void(std::string_view)>;

    bool empty() const {
      return sent_.load(std::memory_order_acquire) == added_.load(std::memory_order_acquire);
    }
    // Calls `send` with what is there, if anything is.
    void Flush(Send send);

    // -- The producer's -------------------------------------------------------------------------------------
    // REQUIRES: not full.
    void Add(const internal::MessageSource& message, size_t size) {
      if (bytes_ == nullptr) [[unlikely]] {
        Allocate();
      }
      const size_t added = added_.load(std::memory_order_relaxed);
      const auto length = static_cast<uint32_t>(size);
      char* to = bytes_.get() + added;
      std::memcpy(to, &length, sizeof length);
      message.SerializeTo(reinterpret_cast<uint8_t*>(to + sizeof length));
      added_.store(added + sizeof length + size, std::memory_order_release);
    }
    // As large as is worth waiting for: End it. Still so where that threw, as there was no memory to send.
    bool full() const { return added_.load(std::memory_order_relaxed) >= kFullBytes; }
    // Calls `send` with what is left, which may be nothing, and begins another.
    void End(Send send);

   private:
    friend class FrameStream;
    static constexpr size_t kFullBytes = 8u << 10;
    static constexpr size_t kCapacity = kFullBytes + sizeof(uint32_t) + kMaxMessage;

    void Allocate();
    // REQUIRES: the mutex.
    void SendUnsent(Send send);
    // REQUIRES: the mutex, or that nobody else is there.
    void Clear();

    WriteMutex mutex_;  // who sends has it
    std::unique_ptr<char[]> bytes_;
    std::atomic<size_t> added_{0};  // written by the producer alone
    std::atomic<size_t> sent_{0};
  };
  // Whether a message goes with the burst: one of which more is to follow, or which ends one. Large ones
  // never do.
  bool JoinsBurst(size_t message_bytes, bool more) const {
    return message_bytes <= Burst::kMaxMessage && (more || !burst_.empty());
  }
  Burst& burst() { return burst_; }
  Sleeper& producer() { return producer_; }

 private:
  static constexpr uint64_t kMostUncounted = 64;
  static constexpr uint32_t kReceivedAll = 1;
  static constexpr uint32_t kOver = 2;
  static constexpr uint32_t kBroken = 4;

  bool HasFlag(uint32_t flag) const { return (flags_.load(std::memory_order_seq_cst) & flag) != 0; }
  void SetFlags(uint32_t flags);
  absl::Status Receive(std::string_view message, bool own);
  absl::Status ReceiveSeveral(std::string_view body, uint64_t max_message);
  Taken Parse(internal::MessageTarget& target, std::string_view message);
  int64_t window(std::memory_order order) const {
    const int64_t spent = spent_.load(std::memory_order_acquire);
    return given_.load(order) - spent;
  }

  std::atomic<uint32_t> flags_{0};

  // The reader's.
  int64_t received_ = 0;  // bytes and costs of all messages
  // Under the mutex: what the reader fills, and the consumer takes as a whole.
  WriteMutex mutex_;
  Messages filled_;
  std::atomic<size_t> filled_bytes_{0};
  absl::Status why_broken_;  // under the mutex

  // The consumer's.
  Messages taken_;
  size_t taken_at_ = 0;  // the next message
  std::atomic<size_t> taken_bytes_{0};
  internal::MessageTarget* expected_ = nullptr;
  Taken expected_taken_ = Taken::kNothing;
  size_t last_message_bytes_ = 0;
  MessageTally received_tally_;
  int64_t unreturned_ = 0;  // taken, and not yet given back
  int64_t return_at_ = 0;
  std::atomic<int64_t> granted_{0};  // ever

  // The producer's. Its window is the difference; each has one writer, so that the producer takes no locked
  // instruction.
  std::atomic<int64_t> given_{0};  // by the peer, ever; written by the reader
  std::atomic<int64_t> spent_{0};
  MessageTally sent_tally_;
  Burst burst_;
  int64_t low_window_ = 0;
  int64_t look_at_ = 0;

  Sleeper consumer_;
  Sleeper producer_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_STREAM_H_
