// ReaderRole: the right to read a server's connections and to start handlers, in one atomic word.
//
//   free ──TryTake──> reading ──Offer──> handling ──TakeBack──> reading ...
//     ^                                     |
//     └───────────────── Steal ─────────────┘   (the supervisor, or the handler's own thread before it
//     blocks)
//
// A thread that runs a handler has offered the role: a fast handler takes it back for the price of one
// uncontended exchange, and another thread takes the place of a slow one.
#ifndef SIDECALL_CORE_READER_ROLE_H_
#define SIDECALL_CORE_READER_ROLE_H_

#include <atomic>
#include <cstdint>

namespace sidecall {

class ReaderRole {
 public:
  // What Offer gave out: the role as it was then.
  using Ticket = uint64_t;

  // True where the role was free and is the caller's now.
  bool TryTake() {
    uint64_t word = word_.load(std::memory_order_acquire);
    return StateOf(word) == kFree &&
           word_.compare_exchange_strong(word, EpochOf(word) | kReading, std::memory_order_acq_rel);
  }
  // REQUIRES: the caller has it, as for all below but Steal.
  void Release() { Put(kFree); }
  Ticket Offer() {
    const Ticket ticket = EpochOf(word_.load(std::memory_order_relaxed)) + kEpoch + kHandling;
    word_.store(ticket, std::memory_order_release);
    return ticket;
  }
  // False where it was stolen since.
  bool TakeBack(Ticket ticket) {
    return word_.compare_exchange_strong(ticket, EpochOf(ticket) | kReading, std::memory_order_acq_rel);
  }
  // Frees the role of the handler that `ticket` stands for. False where that handler has ended, or lost it
  // before.
  bool Steal(Ticket ticket) {
    return word_.compare_exchange_strong(ticket, EpochOf(ticket) | kFree, std::memory_order_acq_rel);
  }

  // The role as it is: changes with every handler.
  Ticket Look() const { return word_.load(std::memory_order_acquire); }
  bool IsFree() const { return StateOf(word_.load(std::memory_order_seq_cst)) == kFree; }
  static bool IsHandling(Ticket ticket) { return StateOf(ticket) == kHandling; }

 private:
  static constexpr uint64_t kFree = 0;
  static constexpr uint64_t kReading = 1;
  static constexpr uint64_t kHandling = 2;
  static constexpr uint64_t kEpoch = 4;

  static uint64_t StateOf(uint64_t word) { return word & 3; }
  static uint64_t EpochOf(uint64_t word) { return word & ~uint64_t{3}; }
  void Put(uint64_t state) {
    word_.store(EpochOf(word_.load(std::memory_order_relaxed)) | state, std::memory_order_release);
  }

  alignas(64) std::atomic<uint64_t> word_{kFree};
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_READER_ROLE_H_
