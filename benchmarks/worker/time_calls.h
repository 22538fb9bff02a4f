// TimeCalls: the one loop that times every system's unary calls, so that all pay the same for being watched.
#ifndef SIDECALL_BENCHMARKS_WORKER_TIME_CALLS_H_
#define SIDECALL_BENCHMARKS_WORKER_TIME_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <vector>

#include "absl/status/status.h"

namespace bench {

inline int64_t NowNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// `call` returns false where it failed, and so ends the loop. False where one did.
template <typename Call>
bool TimeCalls(size_t calls, std::vector<int64_t>& nanos, Call&& call) {
  for (size_t i = 0; i < calls; ++i) {
    const int64_t start = NowNanos();
    if (!call()) return false;
    nanos.push_back(NowNanos() - start);
  }
  return true;
}

// OK where the last reply of a run is what was sent.
template <typename Request, typename Reply>
absl::Status CheckEcho(const Request& request, const Reply& reply) {
  if (reply.payload() == request.payload() && reply.id() == request.id()) return absl::OkStatus();
  return absl::DataLossError("the reply is not the request");
}

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_WORKER_TIME_CALLS_H_
