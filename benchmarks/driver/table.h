// The terminal's view of measurements: a table a case.
#ifndef SIDECALL_BENCHMARKS_DRIVER_TABLE_H_
#define SIDECALL_BENCHMARKS_DRIVER_TABLE_H_

#include <ostream>
#include <vector>

#include "measurement.h"

namespace bench {

// REQUIRES: all of one case.
void PrintTable(const std::vector<Measurement>& measurements, std::ostream& out);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_TABLE_H_
