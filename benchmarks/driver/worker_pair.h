// WorkerPair: client and server of one system, for one case. Both stand still but while they run.
#ifndef SIDECALL_BENCHMARKS_DRIVER_WORKER_PAIR_H_
#define SIDECALL_BENCHMARKS_DRIVER_WORKER_PAIR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "case.h"
#include "process.h"
#include "system.h"

namespace bench {

// What all workers of a run share.
struct Surroundings {
  std::string programs;   // the directory of the worker programs
  std::vector<int> cpus;  // that this process may run on
  bool deadline = false;  // give every system's calls a deadline
};

// One run of one system.
struct Run {
  std::vector<int64_t> nanos;  // a call; empty where the work is a rate
  uint64_t calls = 0;
  double seconds = 0;
  int64_t client_switches = 0;
  int64_t server_switches = 0;
};

class WorkerPair {
 public:
  // Starts both, and waits until they are connected. `address` is a path that nothing lies at.
  static absl::StatusOr<std::unique_ptr<WorkerPair>> Start(const System& system, const Case& which,
                                                           const std::string& address,
                                                           const Surroundings& surroundings);

  // Lets both run for `warm_up` calls that count for nothing, and then `calls` that do.
  absl::StatusOr<Run> RunCalls(uint64_t warm_up, uint64_t calls);

 private:
  WorkerPair(std::unique_ptr<Process> server, std::unique_ptr<Process> client)
      : server_(std::move(server)), client_(std::move(client)) {}
  absl::StatusOr<Run> RunResumed(uint64_t warm_up, uint64_t calls);
  absl::StatusOr<Run> RunClient(uint64_t calls);
  absl::StatusOr<int64_t> ServerSwitches();

  std::unique_ptr<Process> server_;
  std::unique_ptr<Process> client_;
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_WORKER_PAIR_H_
