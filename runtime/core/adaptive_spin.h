// AdaptiveSpin: whether a wait should poll on, or sleep. Polls for about as long as a sleep and a wake-up would cost, where
// recent waits ended that soon; never where the process has one CPU only.
//
//   for (spin.Begin(); !Done(); ) { if (Poll() == 0 && !spin.Continue()) Sleep(); }
//
// Thread-safety: one thread at a time.
#ifndef SIDECALL_CORE_ADAPTIVE_SPIN_H_
#define SIDECALL_CORE_ADAPTIVE_SPIN_H_

#include <cstdint>

#include "sidecall/polling.h"

namespace sidecall {

class AdaptiveSpin {
 public:
  explicit AdaptiveSpin(Polling polling);

  // A wait begins.
  void Begin() {
    iterations_ = 0;
    started_nanos_ = 0;
  }
  // After a poll that found nothing. False: sleep now. Reads the clock only now and then; see now_nanos().
  bool Continue() {
    Pause();
    return enabled_ && (++iterations_ < kFreeIterations || ContinueByClock());
  }
  // The wait ended while polling.
  void EndedAwake() {
    if (credit_ < kMaxCredit) credit_++;
  }
  // The wait slept. `nanos`: from its beginning to its end.
  void EndedAsleep(int64_t nanos);

  // When the clock was last read in this wait; 0 where it was not.
  int64_t now_nanos() const { return now_nanos_; }

  static void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

 private:
  // Polls before the first look at the clock: the replies of a hot peer come within them.
  static constexpr uint32_t kFreeIterations = 64;
  static constexpr int kMaxCredit = 8;

  bool ContinueByClock();
  void LookAtCpus();

  const Polling polling_;
  bool enabled_ = true;
  uint32_t iterations_ = 0;
  int64_t started_nanos_ = 0;
  int64_t now_nanos_ = 0;
  int credit_ = kMaxCredit / 2;  // waits that polling would have won, lately; none: sleep at once
  uint32_t sleeps_ = 0;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_ADAPTIVE_SPIN_H_
