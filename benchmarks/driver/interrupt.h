// Ctrl-C and its like: noted, so that the run ends by returning, and leaves nothing behind.
#ifndef SIDECALL_BENCHMARKS_DRIVER_INTERRUPT_H_
#define SIDECALL_BENCHMARKS_DRIVER_INTERRUPT_H_

#include "absl/status/status.h"

namespace bench {

void CatchInterrupts();

// True once a signal asked this process to end.
bool Interrupted();

// The status of what an interrupt ended.
absl::Status InterruptedError();

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_INTERRUPT_H_
