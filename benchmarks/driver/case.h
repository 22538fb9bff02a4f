// Case: one thing to measure, with every system that can do it.
#ifndef SIDECALL_BENCHMARKS_DRIVER_CASE_H_
#define SIDECALL_BENCHMARKS_DRIVER_CASE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "mode.h"

namespace bench {

struct Case {
  std::string work;
  Mode mode;
  size_t bytes;
};

// Every case of every work, in the order in which they are run and reported. A new work is a line here, and
// its name among the works of the systems that can do it.
std::vector<Case> AllCases();

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_CASE_H_
