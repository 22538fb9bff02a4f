// The report for programs: a JSON array, the machine first, then an object a measurement.
#ifndef SIDECALL_BENCHMARKS_DRIVER_JSON_REPORT_H_
#define SIDECALL_BENCHMARKS_DRIVER_JSON_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "comparison.h"
#include "machine.h"
#include "measurement.h"

namespace bench {

// Replaces `path`. Failures are objects with "error" in place of figures.
absl::Status WriteJson(const std::string& path, const Machine& machine, const Surroundings& surroundings,
                       const std::vector<Measurement>& measurements, const std::vector<Failure>& failures);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_JSON_REPORT_H_
