// What many samples are told as.
#ifndef SIDECALL_BENCHMARKS_DRIVER_STATISTICS_H_
#define SIDECALL_BENCHMARKS_DRIVER_STATISTICS_H_

#include <cstdint>
#include <vector>

namespace bench {

struct Latency {
  int64_t p50 = 0;
  int64_t p99 = 0;
  int64_t p999 = 0;
  int64_t max = 0;
};

// Exact: sorts. All zero where there are no samples. Units: those of the samples.
Latency LatencyOf(std::vector<int64_t>& samples);

// A median of rounds, and the tenth and ninetieth percentile around it.
struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;
};

// REQUIRES: values is not empty.
Spread SpreadOf(std::vector<double> values);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_STATISTICS_H_
