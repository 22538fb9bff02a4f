// The buckets of latencies: eight to each power of two, so that none is wider than an eighth of where it
// begins.
#ifndef SIDECALL_CORE_LATENCY_BUCKETS_H_
#define SIDECALL_CORE_LATENCY_BUCKETS_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sidecall/statistics.h"

namespace sidecall::latency_buckets {

// 2^6 ticks are some 20 ns: all below is one bucket. 2^46 are some 6 hours: so is all from there on.
inline constexpr int kFirstPower = 6;
inline constexpr int kLastPower = 46;
inline constexpr int kEighth = 3;  // bits
inline constexpr size_t kCount = 2 + (size_t{kLastPower - kFirstPower} << kEighth);

constexpr size_t IndexOf(uint64_t ticks) {
  if (ticks < uint64_t{1} << kFirstPower) return 0;
  const int power = std::bit_width(ticks) - 1;
  if (power >= kLastPower) return kCount - 1;
  const uint64_t eighth = ticks >> (power - kEighth) & 7;
  return 1 + (static_cast<size_t>(power - kFirstPower) << kEighth) + eighth;
}

// The least that is in bucket `index`; the bound of the one below.
constexpr uint64_t LowerBound(size_t index) {
  if (index == 0) return 0;
  const int power = kFirstPower + static_cast<int>((index - 1) >> kEighth);
  return (8 + ((index - 1) & 7)) << (power - kEighth);
}

}  // namespace sidecall::latency_buckets

namespace sidecall {

// Counts by bucket, as durations. `sum` and `max` are ticks as well.
LatencyHistogram MakeLatencyHistogram(const std::array<uint64_t, latency_buckets::kCount>& counts,
                                      uint64_t sum, uint64_t max, double nanos_per_tick);

}  // namespace sidecall

#endif  // SIDECALL_CORE_LATENCY_BUCKETS_H_
