// Figures as people read them.
#ifndef SIDECALL_BENCHMARKS_DRIVER_FORMAT_H_
#define SIDECALL_BENCHMARKS_DRIVER_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "case.h"

namespace bench {

std::string FormatBytes(size_t bytes);                               // "16 B", "64 KiB"
std::string FormatNanos(int64_t nanos);                              // "271 ns", "4.06 us", "2.31 ms"
std::string FormatRate(double per_second);                           // "3.71 M", "480 k", "912"
std::string CaseTitle(const Case& which);                            // "unary 16 B hot"
std::string CasePath(const std::string& system, const Case& which);  // "unary/sidecall/shm/hot/16"

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_FORMAT_H_
