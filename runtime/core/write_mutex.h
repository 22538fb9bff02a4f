// WriteMutex: a mutex that every call takes once on each side, and mostly finds free: then it is taken and
// given back inline, by one locked instruction each, which std::mutex does in functions of libc, at twice the
// price. It is not fair: who gives it back and takes it again at once wins over a sleeper.
//
// As BasicLockable it goes with std::unique_lock, std::lock_guard and std::condition_variable_any.
#ifndef SIDECALL_CORE_WRITE_MUTEX_H_
#define SIDECALL_CORE_WRITE_MUTEX_H_

#include <atomic>
#include <cstdint>

#include "core/futex.h"

namespace sidecall {

class WriteMutex {
 public:
  void lock() {
    if (!try_lock()) [[unlikely]] {
      LockContended();
    }
  }
  bool try_lock() {
    uint32_t free = kFree;
    return word_.compare_exchange_strong(free, kTaken, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() {
    if (word_.exchange(kFree, std::memory_order_release) == kAwaited) [[unlikely]] {
      FutexWakeOne(word_);
    }
  }

 private:
  static constexpr uint32_t kFree = 0;
  static constexpr uint32_t kTaken = 1;
  static constexpr uint32_t kAwaited = 2;  // taken, and others may sleep

  [[gnu::noinline, gnu::cold]] void LockContended() {
    while (word_.exchange(kAwaited, std::memory_order_acquire) != kFree) {
      FutexWait(word_, kAwaited, kInfiniteFutureNanos);
    }
  }

  std::atomic<uint32_t> word_{kFree};
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_WRITE_MUTEX_H_
