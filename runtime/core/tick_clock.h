// Ticks: the cheapest clock that there is, for latencies: the CPU's counter where it runs at one rate on all
// CPUs (16 ns a reading where clock_gettime takes 37), else CLOCK_MONOTONIC. Any thread.
#ifndef SIDECALL_CORE_TICK_CLOCK_H_
#define SIDECALL_CORE_TICK_CLOCK_H_

#include <cstdint>

namespace sidecall {

// Never 0.
uint64_t Ticks();

// What a tick is worth, compared with CLOCK_MONOTONIC since the first use. May take a millisecond, the first
// time.
double NanosPerTick();

}  // namespace sidecall

#endif  // SIDECALL_CORE_TICK_CLOCK_H_
