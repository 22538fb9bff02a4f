// How long a call takes, as a caller sees it.
#ifndef SIDECALL_EXAMPLES_HELLO_MEDIAN_LATENCY_H_
#define SIDECALL_EXAMPLES_HELLO_MEDIAN_LATENCY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hello.sidecall.h"

namespace hello {

// The median of `calls` calls, made one after the other once a tenth as many have warmed up both sides; the
// status of the first call that failed. REQUIRES: calls > 0.
absl::StatusOr<absl::Duration> MedianLatency(Greeter::Stub& stub, const HelloRequest& request, int calls);

// "4.13 us".
std::string InMicroseconds(absl::Duration duration);

}  // namespace hello

#endif  // SIDECALL_EXAMPLES_HELLO_MEDIAN_LATENCY_H_
