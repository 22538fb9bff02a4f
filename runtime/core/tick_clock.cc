#include "core/tick_clock.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <x86intrin.h>
#endif

#include "transport/clock.h"

namespace sidecall {
namespace {

// Less would make the rate a guess.
constexpr int64_t kLeastNanos = 1'000'000;

#ifdef __x86_64__
bool HasInvariantCounter() {
  constexpr unsigned kPowerManagement = 0x80000007;
  constexpr unsigned kInvariant = 1u << 8;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(kPowerManagement, &eax, &ebx, &ecx, &edx) != 0 && (edx & kInvariant) != 0;
}
uint64_t Counter() {
  return __rdtsc();
}
#else
bool HasInvariantCounter() {
  return false;
}
uint64_t Counter() {
  return 0;
}
#endif

struct Moment {
  uint64_t ticks;
  int64_t nanos;
};

// Both clocks at one moment: of a few readings the one in which the least time passed.
Moment ReadBoth() {
  Moment best{.ticks = 0, .nanos = 0};
  int64_t least = INT64_MAX;
  for (int i = 0; i < 5; i++) {
    const int64_t before = MonotonicNanos();
    const uint64_t ticks = Counter();
    const int64_t took = MonotonicNanos() - before;
    if (took >= least) continue;
    least = took;
    best = {.ticks = ticks, .nanos = before + took / 2};
  }
  return best;
}

struct TickClock {
  const bool counts = HasInvariantCounter();
  const Moment first = ReadBoth();
};

const TickClock& Clock() {
  static const TickClock clock;
  return clock;
}

}  // namespace

uint64_t Ticks() {
  return Clock().counts ? Counter() : static_cast<uint64_t>(MonotonicNanos());
}

double NanosPerTick() {
  const TickClock& clock = Clock();
  if (!clock.counts) return 1;
  Moment now = ReadBoth();
  while (now.nanos - clock.first.nanos < kLeastNanos) now = ReadBoth();
  return static_cast<double>(now.nanos - clock.first.nanos) /
         static_cast<double>(now.ticks - clock.first.ticks);
}

}  // namespace sidecall
