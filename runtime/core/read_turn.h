// ReadTurn: keeps whoever ends a stream out of it while another thread is reading, and has the reader pay
// nothing for it: small messages are read by the million, and a locked instruction for each would be a tenth
// of what one costs.
#ifndef SIDECALL_CORE_READ_TURN_H_
#define SIDECALL_CORE_READ_TURN_H_

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "core/process_fence.h"

namespace sidecall {

class ReadTurn {
 public:
  // `with_process_fence`: for tests; without one, each read fences itself.
  explicit ReadTurn(bool with_process_fence = ProcessFence::available())
      : with_process_fence_(with_process_fence) {}

  // A read. REQUIRES: one at a time; not always by the same thread. False where the turn was closed before.
  class Scope {
   public:
    explicit Scope(ReadTurn& turn) : turn_(turn), entered_(turn.Enter()) {}
    ~Scope() {
      if (entered_) turn_.Leave();
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    explicit operator bool() const { return entered_; }

   private:
    ReadTurn& turn_;
    const bool entered_;
  };

  // No read begins from here on. Waits for one that another thread is at, which has done with this object
  // then.
  void Close();

 private:
  // Its address tells threads apart.
  static inline constinit thread_local char this_thread_ = 0;

  // `inside_` is stored before `closed_` is loaded here, and the other way round in Close: one of both sees
  // the other. What keeps this order is Close's fence, for threads that it can know of.
  bool Enter() {
    inside_.store(true, std::memory_order_relaxed);
    if (reader_.load(std::memory_order_relaxed) != &this_thread_) [[unlikely]] {
      return EnterAnew();
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (closed_.load(std::memory_order_relaxed)) [[unlikely]] {
      Leave();
      return false;
    }
    return true;
  }
  // The store comes last: then this object may be gone.
  void Leave() {
    if (closed_.load(std::memory_order_relaxed)) [[unlikely]] {
      return LeaveAndTell();
    }
    inside_.store(false, std::memory_order_release);
  }
  bool EnterAnew();
  void LeaveAndTell();

  const bool with_process_fence_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> inside_{false};
  std::atomic<const void*> reader_{nullptr};  // the last that read; null where each read fences itself
  std::mutex mutex_;                          // for who waits that inside_ is false
  std::condition_variable left_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_READ_TURN_H_
