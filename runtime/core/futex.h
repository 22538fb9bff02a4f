// A sleeping place for one thread: futex(2) on a private word.
#ifndef SIDECALL_CORE_FUTEX_H_
#define SIDECALL_CORE_FUTEX_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>

#include "transport/clock.h"

namespace sidecall {

// Sleeps while `word` is `value`, at most until `deadline_nanos` (CLOCK_MONOTONIC). May wake for no reason.
inline void FutexWait(std::atomic<uint32_t>& word, uint32_t value, int64_t deadline_nanos) {
  timespec deadline{};
  deadline.tv_sec = deadline_nanos / 1'000'000'000;
  deadline.tv_nsec = deadline_nanos % 1'000'000'000;
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_BITSET_PRIVATE, value,
          deadline_nanos == kInfiniteFutureNanos ? nullptr : &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

inline void FutexWakeOne(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace sidecall

#endif  // SIDECALL_CORE_FUTEX_H_
