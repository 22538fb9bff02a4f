// AdaptiveSpin: whether a wait should poll on, or sleep. Polls for a little longer than the peer's wake-up
// may take, where recent polling paid; never where this thread and the peer share one CPU.
//
//   for (spin.Begin(); !Done(); ) { if (Poll() == 0 && !spin.Continue()) Sleep(); }
//
// Thread-safety: one thread at a time.
#ifndef SIDECALL_CORE_ADAPTIVE_SPIN_H_
#define SIDECALL_CORE_ADAPTIVE_SPIN_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "sidecall/polling.h"
#include "transport/cpu.h"

namespace sidecall {

class AdaptiveSpin {
 public:
  explicit AdaptiveSpin(Polling polling);
  // Who is waited for. A thread that is pinned to one CPU polls only where the peer may run on another.
  void SetPeer(std::optional<pid_t> peer);

  // This thread and the peer, as far as is known, may run at the same time.
  bool several_cpus() const { return several_cpus_; }

  // A wait begins.
  void Begin() {
    iterations_ = 0;
    started_nanos_ = 0;
    now_nanos_ = 0;
  }
  // This wait is not to poll at all: even the first look is better left to the sleep, which ends at once
  // where something is there.
  bool SleepsAtOnce() const { return !enabled_ || skip_ > 0; }
  // After a poll that found nothing. False: sleep now. Reads the clock only now and then; see now_nanos().
  bool Continue() {
    if (SleepsAtOnce()) return false;
    if (++iterations_ < kFreeIterations && PollsAndFetchesEagerly()) return true;
    PauseCpu();
    return iterations_ < kFreeIterations || ContinueByClock();
  }
  // The wait ended while polling.
  void EndedAwake() { losses_ = 0; }
  // The wait slept, for `nanos`.
  void EndedAsleep(int64_t nanos);

  // When the clock was last read in this wait; 0 where it was not.
  int64_t now_nanos() const { return now_nanos_; }

 private:
  // Polls before the first look at the clock, and before the first pause where that pays: the replies of a
  // hot peer come within them.
  static constexpr uint32_t kFreeIterations = 64;

  bool ContinueByClock();
  void LookAtCpus();

  const Polling polling_;
  std::optional<pid_t> peer_;
  bool several_cpus_ = true;
  bool enabled_ = true;
  uint32_t iterations_ = 0;
  int64_t started_nanos_ = 0;
  int64_t now_nanos_ = 0;
  int losses_ = 0;  // waits in a row that polled in vain
  int skip_ = 0;    // waits that are to sleep at once, before polling is tried again
  uint32_t sleeps_ = 0;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_ADAPTIVE_SPIN_H_
