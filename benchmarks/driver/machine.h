// Where and of what a run was made: figures mean nothing without.
#ifndef SIDECALL_BENCHMARKS_DRIVER_MACHINE_H_
#define SIDECALL_BENCHMARKS_DRIVER_MACHINE_H_

#include <string>
#include <vector>

namespace bench {

struct Machine {
  std::string processor;
  std::string kernel;
  std::string compiler;
  std::string commit;       // with "-dirty" where files differ from it; "unknown" outside of a work tree
  std::string date;         // UTC, RFC 3339
  double load_average = 0;  // of the last minute
};

// `programs`: the directory of the programs, from which the work tree is looked for.
Machine DescribeMachine(const std::string& programs);

// The CPUs that this process may run on, in order.
std::vector<int> AllowedCpus();

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_MACHINE_H_
