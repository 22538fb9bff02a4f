// What the project promises, held against what was measured.
#ifndef SIDECALL_BENCHMARKS_DRIVER_GOALS_H_
#define SIDECALL_BENCHMARKS_DRIVER_GOALS_H_

#include <ostream>
#include <vector>

#include "measurement.h"

namespace bench {

// A line a goal whose figure is there; nothing where none is.
void PrintGoals(const std::vector<Measurement>& measurements, std::ostream& out);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_GOALS_H_
