// OutputRoom: what a connection's sender tells its receiver about room for output: that some is waited for,
// and that it has come.
#ifndef SIDECALL_TRANSPORT_OUTPUT_ROOM_H_
#define SIDECALL_TRANSPORT_OUTPUT_ROOM_H_

#include <atomic>
#include <utility>

namespace sidecall {

class OutputRoom {
 public:
  // The sender's. Reserve had no room, whether or not the carrier has.
  void Refuse() {
    wanted_ = true;
    Await();
  }

  // The sender's. The carrier took no more, and output is left.
  void Await() { awaited_.store(true, std::memory_order_release); }

  // The sender's. All output is sent, or given up. Whoever was refused is told by Arm: the carrier was
  // writable before, perhaps, and makes no wait descriptor ready once more.
  void AllSent() {
    if (std::exchange(wanted_, false)) made_.store(true, std::memory_order_release);
    if (awaited_.load(std::memory_order_relaxed)) awaited_.store(false, std::memory_order_release);
  }

  // Any thread: whether to wait for the carrier to be writable.
  bool awaited() const { return awaited_.load(std::memory_order_acquire); }

  // The receiver's, for Arm: whether room has been made for who was refused. True once.
  bool TakeMade() { return made_.exchange(false, std::memory_order_acq_rel); }

 private:
  bool wanted_ = false;  // by a Reserve since the last AllSent
  std::atomic<bool> awaited_{false};
  std::atomic<bool> made_{false};  // for that Reserve; until Arm has told
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_OUTPUT_ROOM_H_
