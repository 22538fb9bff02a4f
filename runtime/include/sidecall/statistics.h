// Statistics: what this process has called and served, method by method.
//
//   for (const sidecall::MethodStatistics& method : sidecall::StatisticsSnapshot().methods) {
//     std::cout << method.name << ": " << method.started << " calls, " << method.in_flight << " in flight,
//     p99 "
//               << method.latency.Quantile(0.99) << "\n";
//   }
//
// On by default, at some 10 ns a call and side (docs/decisions/0008); the environment's
// SIDECALL_STATISTICS=off, or SetStatisticsEnabled(false), switches them off. Counts are of the whole process
// since its start, never reset; a forked child begins with none. Thread-safety: any thread.
#ifndef SIDECALL_STATISTICS_H_
#define SIDECALL_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace sidecall {

// By absl::StatusCode.
inline constexpr size_t kStatusCodes = 17;
using CountsByStatus = std::array<uint64_t, kStatusCodes>;

enum class CallSide : uint8_t { kClient, kServer };

// How long calls took. Where a thread begins calls of a method more often than every 10 us or so, about one
// in sixteen is timed, and stands for the others; seldom ones are all timed, but for the first few behind
// many.
struct LatencyHistogram {
  struct Bucket {
    absl::Duration lower_bound;
    absl::Duration upper_bound;  // not in it; at most an eighth above the lower one
    uint64_t count = 0;
  };
  std::vector<Bucket> buckets;  // ascending, without empty ones
  uint64_t count = 0;           // within 24 a thread of the calls that have ended
  absl::Duration sum;
  absl::Duration max;  // of the calls that were timed

  // The latency that `share` (0 to 1) of the calls do not exceed, within 6.25 %; zero where there were
  // none.
  absl::Duration Quantile(double share) const;
};

struct MethodStatistics {
  std::string name;  // "package.Service/Method"
  CallSide side = CallSide::kClient;
  uint64_t started = 0;
  CountsByStatus ended{};
  uint64_t in_flight = 0;
  // Of messages as they are serialized, without headers and metadata: of a unary call when it ends, of a
  // stream as they go and come, at most a burst or 64 of them later.
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  // That streams wrote and read; a call's only request or reply is not counted.
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  // Client: from the stub's being called to its return, or to Finish. Server: from the request's being read
  // to the answer's being sent, which a wait for a free thread is part of.
  LatencyHistogram latency;

  // Calls that have ended, with whatever status.
  uint64_t ended_in_all() const;
};

struct ConnectionStatistics {
  uint64_t open = 0;    // now
  uint64_t opened = 0;  // ever
  uint64_t failed = 0;  // attempts of a client that came to nothing; a server's, that it refused
};

struct Statistics {
  std::vector<MethodStatistics> methods;  // that were called or served, by name
  // Calls that a server ended before they were any method's: of an unknown one, beyond its limits, while it
  // shuts down.
  CountsByStatus refused_calls{};
  ConnectionStatistics client_connections;
  ConnectionStatistics server_connections;
};

// As they are now: a call that ended before is in it, wherever it ended. Blocks threads that make the first
// call of a method while it adds up.
Statistics StatisticsSnapshot();

// Calls are counted from beginning to end, or not at all.
void SetStatisticsEnabled(bool enabled);
bool StatisticsEnabled();

}  // namespace sidecall

#endif  // SIDECALL_STATISTICS_H_
