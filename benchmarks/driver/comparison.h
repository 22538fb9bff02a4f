// Comparison: one case, done by many systems in turn, round by round, so that whatever disturbs the machine
// disturbs all of them; what is compared is compared within a round.
#ifndef SIDECALL_BENCHMARKS_DRIVER_COMPARISON_H_
#define SIDECALL_BENCHMARKS_DRIVER_COMPARISON_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "case.h"
#include "measurement.h"
#include "progress_bar.h"
#include "scratch_directory.h"
#include "system.h"
#include "worker_pair.h"

namespace bench {

struct Effort {
  int rounds = 25;
  // How long one system's turn takes, about; at least `fewest_calls`.
  absl::Duration turn = absl::Milliseconds(30);
  uint64_t fewest_calls = 50;
};

struct Failure {
  Case which;
  std::string system;
  absl::Status status;
};

struct Outcome {
  std::vector<Measurement> measurements;  // of the systems that came through, in their order
  std::vector<Failure> failures;
};

// Steps `progress` rounds + 1 times a system. After an interrupt, returns at once with nothing.
Outcome Compare(const Case& which, const std::vector<System>& systems, const Effort& effort,
                const Surroundings& surroundings, ScratchDirectory& scratch, ProgressBar& progress);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_COMPARISON_H_
