// SoloMutex: for what is one thread's by contract, and another's by mistake or at the very end. It is taken
// by one locked instruction and given back by a plain store, which is half of what any other mutex costs; in
// return nobody is woken, and who finds it taken naps, and looks again.
#ifndef SIDECALL_CORE_SOLO_MUTEX_H_
#define SIDECALL_CORE_SOLO_MUTEX_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace sidecall {

class SoloMutex {
 public:
  void lock() {
    if (taken_.exchange(true, std::memory_order_acquire)) [[unlikely]] {
      LockTaken();
    }
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  static constexpr std::chrono::microseconds kShortestNap{50};
  static constexpr std::chrono::microseconds kLongestNap{5000};

  [[gnu::noinline, gnu::cold]] void LockTaken() {
    auto nap = kShortestNap;
    do {
      std::this_thread::sleep_for(nap);
      nap = std::min(2 * nap, kLongestNap);
    } while (taken_.exchange(true, std::memory_order_acquire));
  }

  std::atomic<bool> taken_{false};
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_SOLO_MUTEX_H_
