#include "core/adaptive_spin.h"

#include <sched.h>

#include <cstdlib>
#include <string_view>

#include "transport/clock.h"

namespace sidecall {
namespace {

// What a sleep and a wake-up across cores cost (28 us the wake-up alone, measured; docs/decisions/0001).
constexpr int64_t kSpinNanos = 50'000;
// A wait that slept this long would have been lost by polling too. Far more than kSpinNanos: where both sides sleep,
// each adds its wake-ups to the other's waits, and neither would ever find out that polling pays.
constexpr int64_t kLostNanos = 300'000;
constexpr uint32_t kClockInterval = 16;
// Affinity may change under us: looked at again now and then.
constexpr uint32_t kSleepsPerCpuLook = 64;

}  // namespace

Polling DefaultPolling() {
  const char* wanted = std::getenv("SIDECALL_POLLING");
  return wanted != nullptr && std::string_view(wanted) == "off" ? Polling::kOff : Polling::kAdaptive;
}

AdaptiveSpin::AdaptiveSpin(Polling polling) : polling_(polling) { LookAtCpus(); }

void AdaptiveSpin::LookAtCpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  // An error means more CPUs than the set holds.
  const bool several = sched_getaffinity(0, sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) > 1;
  enabled_ = polling_ == Polling::kAdaptive && several;
}

bool AdaptiveSpin::ContinueByClock() {
  if (credit_ <= 0) return false;
  if (iterations_ % kClockInterval != 0) return true;
  now_nanos_ = MonotonicNanos();
  if (started_nanos_ == 0) started_nanos_ = now_nanos_;
  return now_nanos_ - started_nanos_ < kSpinNanos;
}

void AdaptiveSpin::EndedAsleep(int64_t nanos) {
  if (nanos < kLostNanos) {
    if (credit_ < kMaxCredit) credit_++;
  } else if (credit_ > 0) {
    credit_--;
  }
  if (++sleeps_ % kSleepsPerCpuLook == 0) LookAtCpus();
}

}  // namespace sidecall
