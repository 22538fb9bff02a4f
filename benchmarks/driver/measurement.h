// Measurement: all that a run found out about one system in one case.
#ifndef SIDECALL_BENCHMARKS_DRIVER_MEASUREMENT_H_
#define SIDECALL_BENCHMARKS_DRIVER_MEASUREMENT_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "case.h"
#include "statistics.h"

namespace bench {

struct Measurement {
  Case which;
  std::string system;
  Latency latency;  // nanoseconds; zero where the work is a rate
  uint64_t samples = 0;
  uint64_t rounds = 0;
  double per_second = 0;
  double client_switches_per_call = 0;
  double server_switches_per_call = 0;
  // Of the time that a call takes to that over the bare primitive: the smaller the better.
  std::optional<Spread> times_floor;
  // Of the time that a call takes over gRPC to that over this: the larger the better.
  std::optional<Spread> faster_than_peer;

  double switches_per_call() const { return std::max(client_switches_per_call, server_switches_per_call); }
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_MEASUREMENT_H_
