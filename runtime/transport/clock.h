// The one clock of deadlines and waits: CLOCK_MONOTONIC, in nanoseconds.
#ifndef SIDECALL_TRANSPORT_CLOCK_H_
#define SIDECALL_TRANSPORT_CLOCK_H_

#include <cstdint>
#include <ctime>

namespace sidecall {

// A moment that never comes.
inline constexpr int64_t kInfiniteFutureNanos = INT64_MAX;

inline int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// So many nanoseconds from now; too many of them never come.
inline int64_t NanosFromNow(int64_t nanos) {
  const int64_t now = MonotonicNanos();
  return nanos > kInfiniteFutureNanos - now ? kInfiniteFutureNanos : now + nanos;
}

// The same clock as it was at the last tick of the kernel, 1 to 10 ms ago: a fifth of the price.
inline int64_t CoarseMonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Whether that moment has come; kInfiniteFutureNanos never does. The coarse clock is asked first: most
// deadlines are further off than it may be late. Where it is later still, as a virtual machine's may be, the
// answer is, too: for who asks again.
inline bool HasPassed(int64_t moment_nanos) {
  constexpr int64_t kMostLateNanos = 100'000'000;
  return CoarseMonotonicNanos() + kMostLateNanos >= moment_nanos && MonotonicNanos() >= moment_nanos;
}

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_CLOCK_H_
