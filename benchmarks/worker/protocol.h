// What the driver and a worker say to each other, over the worker's stdin and stdout. Both are built together
// and run on one machine, so these structs travel as they lie in memory.
//
//   worker  -> driver   kReady, once it listens (a server) or is connected (a client)
//   driver  -> client   RunCommand
//   client  -> driver   RunResult, then `samples` times int64_t nanoseconds, then `error_bytes` of text
//   driver  -> server   kTellSwitches
//   server  -> driver   int64_t, its voluntary context switches so far
//
// A worker whose stdin ends exits.
#ifndef SIDECALL_BENCHMARKS_WORKER_PROTOCOL_H_
#define SIDECALL_BENCHMARKS_WORKER_PROTOCOL_H_

#include <cstdint>

namespace bench {

inline constexpr char kReady = 'R';
inline constexpr char kTellSwitches = 'S';

struct RunCommand {
  uint64_t calls;
};

struct RunResult {
  int64_t elapsed_nanos;
  int64_t voluntary_switches;  // of the client, while it ran
  uint64_t samples;            // none where the work is a rate
  uint64_t error_bytes;        // none where all went well
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_WORKER_PROTOCOL_H_
