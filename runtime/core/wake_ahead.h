// WakeAhead: whether to be woken when the peer has read what it was sent, ahead of its answer. That hides the
// wake-up of an idle CPU behind the peer's work; where the answer takes longer, it is a wake-up in vain
// (docs/decisions/0002).
//
// Thread-safety: one thread at a time.
#ifndef SIDECALL_CORE_WAKE_AHEAD_H_
#define SIDECALL_CORE_WAKE_AHEAD_H_

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sidecall {

class WakeAhead {
 public:
  // The first trial comes with this sleep: who sleeps more seldom gains nothing.
  static constexpr uint32_t kFirstPause = 16;
  static constexpr uint32_t kLongestPause = 4096;

  // Before a sleep. Whether the descriptor is to be watched for reads.
  bool WantedForSleep() {
    if (std::exchange(woken_, false)) Lost();
    if (pause_left_ > 0) pause_left_--;
    return pause_left_ == 0;
  }
  // It was reported, watched for reads.
  void Woken() { woken_ = true; }
  // Frames have come.
  void Heard() {
    if (woken_) [[unlikely]] {
      woken_ = false;
      Gained();
    }
  }

 private:
  static constexpr int kCredit = 6;  // two of it for the first report, which comes at once: there is room
  static constexpr int kMostCredit = 8;

  void Gained() {
    credit_ = std::min(credit_ + 1, kMostCredit);
    if (credit_ == kMostCredit) pause_ = kFirstPause;
  }
  // What comes has to be slept for once more. More than one sleep in three is too many.
  void Lost() {
    credit_ -= 2;
    if (credit_ > 0) return;
    credit_ = kCredit;
    pause_left_ = pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  }

  uint32_t pause_ = kFirstPause;  // the next one
  uint32_t pause_left_ = kFirstPause;
  int credit_ = kCredit;
  bool woken_ = false;  // and no frame has come since
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_WAKE_AHEAD_H_
