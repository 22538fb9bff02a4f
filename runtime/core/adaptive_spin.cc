#include "core/adaptive_spin.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "transport/clock.h"

namespace sidecall {
namespace {

// Must be more than a wake-up takes (57 us across these cores, when the CPU has gone idle): else two sides
// wake each other for ever, each giving up just before the other's frame comes.
constexpr int64_t kSpinNanos = 150'000;
// After n losses in a row, 2^n - 2 waits sleep at once; at most 62.
constexpr int kMaxLosses = 6;
// A sleep this short may well be two sleepers' doing, where polling would have won: it counts for more.
constexpr int64_t kShortSleepNanos = 300'000;
constexpr int kShortSleepWeight = 8;
constexpr uint32_t kClockInterval = 16;
// Affinity may change under us: looked at again now and then.
constexpr uint32_t kSleepsPerCpuLook = 64;

}  // namespace

Polling DefaultPolling() {
  const char* wanted = std::getenv("SIDECALL_POLLING");
  return wanted != nullptr && std::string_view(wanted) == "off" ? Polling::kOff : Polling::kAdaptive;
}

AdaptiveSpin::AdaptiveSpin(Polling polling) : polling_(polling) {
  LookAtCpus();
}

void AdaptiveSpin::SetPeer(std::optional<pid_t> peer) {
  peer_ = peer;
  LookAtCpus();
}

void AdaptiveSpin::LookAtCpus() {
  cpu_set_t own;
  CPU_ZERO(&own);
  // An error means more CPUs than the set holds.
  several_cpus_ = sched_getaffinity(0, sizeof own, &own) != 0 || CPU_COUNT(&own) > 1;
  if (!several_cpus_ && peer_.has_value()) {
    cpu_set_t peers;
    CPU_ZERO(&peers);
    several_cpus_ = sched_getaffinity(*peer_, sizeof peers, &peers) == 0 && !CPU_EQUAL(&own, &peers);
  }
  enabled_ = polling_ == Polling::kAdaptive && several_cpus_;
}

bool AdaptiveSpin::ContinueByClock() {
  if (iterations_ % kClockInterval != 0) return true;
  now_nanos_ = MonotonicNanos();
  if (started_nanos_ == 0) started_nanos_ = now_nanos_;
  return now_nanos_ - started_nanos_ < kSpinNanos;
}

void AdaptiveSpin::EndedAsleep(int64_t nanos) {
  if (skip_ > 0) {
    skip_ = std::max(0, skip_ - (nanos < kShortSleepNanos ? kShortSleepWeight : 1));
  } else if (enabled_) {
    losses_ = std::min(losses_ + 1, kMaxLosses);
    skip_ = (1 << losses_) - 2;
  }
  if (++sleeps_ % kSleepsPerCpuLook == 0) LookAtCpus();
}

}  // namespace sidecall
