// Ring: one direction of a shared-memory connection, a byte ring with one producer and one consumer.
//
// Records lie at multiples of 64 bytes: a commit word, the frame's header, its body; a small frame is one
// cache line, and that line is all that moves. The consumer looks for the commit word that belongs to its
// position: the ring's secret key plus the position, 64 bits that neither a stale record nor a payload can
// hold by chance or by intent.
//
// Nothing in shared memory is trusted: each shared word has one writer; geometry and a side's own position
// are private; the peer's position is loaded once and range-checked. A violation is an error of this
// connection only.
#ifndef SIDECALL_TRANSPORTS_SHM_RING_H_
#define SIDECALL_TRANSPORTS_SHM_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "transport/frame.h"
#include "transport/transport.h"

namespace sidecall {

// The shared words of one ring. Zero at first.
struct RingControl {
  // Written by the consumer.
  alignas(64) std::atomic<uint64_t> tail;   // bytes consumed, ever
  alignas(64) std::atomic<uint64_t> armed;  // 0: awake; else the number of the sleep, new for each: ring the
                                            // bell, once
  // Written by the producer.
  alignas(64) std::atomic<uint64_t> room_wanted;  // number of the latest wait for room
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

inline constexpr size_t kRecordAlignment = 64;
inline constexpr size_t kRecordHeaderBytes = sizeof(uint64_t) + sizeof(FrameHeader);

// Bytes that a record with `body` bytes takes. 64-bit: no 32-bit length overflows it.
constexpr uint64_t RecordBytes(uint64_t body) {
  return (kRecordHeaderBytes + body + kRecordAlignment - 1) & ~uint64_t{kRecordAlignment - 1};
}

#if defined(__SANITIZE_THREAD__)
#define SIDECALL_THREAD_SANITIZER 1
#elif defined(__has_feature)
#define SIDECALL_THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define SIDECALL_THREAD_SANITIZER 0
#endif

// A store that later loads cannot overtake.
inline void FullFence() {
#if SIDECALL_THREAD_SANITIZER
  static std::atomic<int> fence;  // ThreadSanitizer knows no fences.
  fence.exchange(0, std::memory_order_seq_cst);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

class RingProducer {
 public:
  // `data` has `capacity` bytes, a power of two.
  RingProducer(RingControl* control, char* data, size_t capacity, uint64_t key)
      : control_(control), data_(data), capacity_(capacity), key_(key) {}

  // Null where there is no room; then the consumer has been asked to tell when there is.
  char* Reserve(size_t body);
  // Asks for the cache line of the next record, which the consumer polls, while there is still work to do
  // before Reserve: 20 ns each way, where a line takes 300 ns to come. For the receiving thread, too.
  void Prefetch() const {
    const char* record = data_ + (head_.load(std::memory_order_relaxed) & (capacity_ - 1));
#if defined(__x86_64__)
    asm volatile("prefetchw (%0)" : : "r"(record));  // The builtin reads only, unless told of newer CPUs.
#else
    __builtin_prefetch(record, 1);
#endif
  }
  // Makes the reserved record visible, with header.length bytes of body.
  void Commit(const FrameHeader& header);
  // True where the consumer sleeps and has not been rung for that sleep: ring its bell. Full fence first.
  bool MustRing();
  // The consumer wrote a position that cannot be.
  bool violated() const {
    return violated_;
  }

 private:
  bool HasRoom(uint64_t bytes);

  RingControl* const control_;
  char* const data_;
  const size_t capacity_;
  const uint64_t key_;
  // Bytes produced, ever. Atomic for Prefetch alone: the sender is the only one that writes it.
  std::atomic<uint64_t> head_{0};
  uint64_t tail_seen_ = 0;  // the consumer's position when last looked at
  uint64_t rung_ = 0;       // the sleep that was rung for
  uint64_t waits_ = 0;
  bool violated_ = false;
};

class RingConsumer {
 public:
  RingConsumer(RingControl* control, const char* data, size_t capacity, uint64_t key)
      : control_(control), data_(data), capacity_(capacity), key_(key) {}

  // True where a record is there.
  bool HasRecord() const {
    const char* record = data_ + (position_ & (capacity_ - 1));
    return reinterpret_cast<const std::atomic<uint64_t>*>(record)->load(std::memory_order_acquire) ==
           key_ + position_;
  }
  // Feeds every record that is there, until the sink says stop. Returns frames fed.
  size_t Feed(FrameSink& sink);
  // Announces sleep. False where a record is there already.
  bool Arm();
  void Disarm() { control_->armed.store(0, std::memory_order_relaxed); }
  // True where the producer waits for room and has not been told.
  bool RoomWanted() const { return control_->room_wanted.load(std::memory_order_relaxed) != room_told_; }
  // Publishes what was consumed, if the producer waits for it. True: ring its bell.
  bool PublishTail();
  // The producer wrote a record that cannot be.
  bool violated() const { return violated_; }

 private:
  RingControl* const control_;
  const char* const data_;
  const size_t capacity_;
  const uint64_t key_;
  uint64_t position_ = 0;   // bytes consumed, ever
  uint64_t published_ = 0;  // of them, told to the producer
  uint64_t sleeps_ = 0;
  uint64_t room_told_ = 0;
  bool violated_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_SHM_RING_H_
