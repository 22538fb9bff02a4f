// Backoff: how long to wait before another attempt to connect, as gRPC does it, with a local machine's times:
// 10 ms at first, 1.6 times as much each time, at most 1 s, and each up to a fifth more or less, so that many
// clients do not come at once.
#ifndef SIDECALL_CORE_BACKOFF_H_
#define SIDECALL_CORE_BACKOFF_H_

#include <algorithm>
#include <cstdint>
#include <random>

namespace sidecall {

// Thread-safety: one thread.
class Backoff {
 public:
  static constexpr int64_t kFirstNanos = 10'000'000;
  static constexpr int64_t kMostNanos = 1'000'000'000;
  static constexpr double kGrowth = 1.6;
  static constexpr double kJitter = 0.2;

  // Each call is another attempt that failed.
  int64_t NextNanos() {
    std::uniform_real_distribution<double> jitter(1 - kJitter, 1 + kJitter);
    const auto nanos = static_cast<int64_t>(next_ * jitter(random_));
    next_ = std::min(next_ * kGrowth, static_cast<double>(kMostNanos));
    return nanos;
  }

 private:
  std::minstd_rand random_{std::random_device{}()};
  double next_ = kFirstNanos;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_BACKOFF_H_
