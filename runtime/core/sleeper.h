// Sleeper: where one thread sleeps until others have done what it waits for.
//
//   sleeper.Announce();
//   if (!Done()) sleeper.Sleep(deadline);
//   sleeper.Cancel();
//
// Whoever makes Done() true calls Wake() afterwards. Both sides' accesses to what Done() looks at are
// sequentially consistent: so either the sleeper sees what was done, or it is seen asleep, and woken.
#ifndef SIDECALL_CORE_SLEEPER_H_
#define SIDECALL_CORE_SLEEPER_H_

#include <atomic>
#include <cstdint>

#include "core/futex.h"

namespace sidecall {

class Sleeper {
 public:
  // -- The thread's own -------------------------------------------------------------------------------------
  void Announce() { word_.store(kAsleep, std::memory_order_seq_cst); }
  // Until woken, or `deadline_nanos` (CLOCK_MONOTONIC). May wake for no reason. REQUIRES: announced.
  void Sleep(int64_t deadline_nanos) { FutexWait(word_, kAsleep, deadline_nanos); }
  void Cancel() { word_.store(kAwake, std::memory_order_relaxed); }

  // -- Any thread's -----------------------------------------------------------------------------------------
  // False where nobody sleeps here.
  bool Wake() {
    uint32_t asleep = kAsleep;
    if (word_.load(std::memory_order_seq_cst) != kAsleep) return false;
    if (!word_.compare_exchange_strong(asleep, kAwake, std::memory_order_seq_cst)) return false;
    FutexWakeOne(word_);
    return true;
  }

 private:
  static constexpr uint32_t kAwake = 0;
  static constexpr uint32_t kAsleep = 1;
  std::atomic<uint32_t> word_{kAwake};
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_SLEEPER_H_
