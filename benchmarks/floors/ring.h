// One direction of shared memory between two processes, as bare as it can be: records of whole cache lines,
// whose first word says that the record is there. So a small message costs the move of one line.
//
// Thread-safety: one writer, one reader. Inline throughout: at this speed a call that is not inlined shows.
#ifndef SIDECALL_BENCHMARKS_FLOORS_RING_H_
#define SIDECALL_BENCHMARKS_FLOORS_RING_H_

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "echo.pb.h"
#include "vector_copy.h"

namespace bench {

// Between two looks at memory that the other side writes.
inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

inline constexpr size_t kLine = 64;
inline constexpr int kNoBell = -1;

// Lies in shared memory, all zero at first. What an earlier lap left there is never taken for a commit word:
// a line's number comes again after 256 GiB only, and payloads are of one letter.
struct Ring {
  static constexpr size_t kCapacity = size_t{4} << 20;
  alignas(kLine) std::atomic<uint64_t> tail;   // read up to here; written by the reader, now and then
  alignas(kLine) std::atomic<uint32_t> armed;  // the reader sleeps on its bell
  alignas(kLine) char data[kCapacity];
};

// As much as an RPC system has to say of a message.
struct RecordHeader {
  static constexpr uint32_t kSkipToStart = UINT32_MAX;
  std::atomic<uint32_t>
      commit;  // the record's line number since the beginning, plus 1, once all of it is there
  uint32_t length;
  uint64_t method;
  int64_t deadline;
  uint64_t stream;
};

inline uint32_t CommitWord(uint64_t position) {
  return static_cast<uint32_t>(position / kLine) + 1;
}
inline size_t RecordBytes(size_t body) {
  return (sizeof(RecordHeader) + body + kLine - 1) & ~(kLine - 1);
}
inline size_t Offset(uint64_t position) {
  return position & (Ring::kCapacity - 1);
}
inline RecordHeader* HeaderAt(Ring& ring, size_t offset) {
  return reinterpret_cast<RecordHeader*>(ring.data + offset);
}

class RingWriter {
 public:
  // `bell` is an eventfd that the reader sleeps on, kNoBell where it polls.
  RingWriter(Ring& ring, int bell) : ring_(ring), bell_(bell) {}

  void Send(const EchoMessage& message) {
    const size_t body = message.ByteSizeLong();
    const size_t record = RecordBytes(body);
    const size_t left = Ring::kCapacity - Offset(head_);
    if (record > left) {
      WaitForRoom(left);
      Commit(RecordHeader::kSkipToStart);
      head_ += left;
    }
    WaitForRoom(record);
    char* at = ring_.data + Offset(head_) + sizeof(RecordHeader);
    message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(at));
    Commit(static_cast<uint32_t>(body));
    head_ += record;
    if (bell_ != kNoBell) RingBell();
  }

 private:
  void WaitForRoom(size_t bytes) {
    while (head_ + bytes - tail_ > Ring::kCapacity) {
      tail_ = ring_.tail.load(std::memory_order_acquire);
      if (head_ + bytes - tail_ > Ring::kCapacity) Relax();
    }
  }

  void Commit(uint32_t length) {
    RecordHeader* header = HeaderAt(ring_, Offset(head_));
    header->length = length;
    header->method = 1;
    header->deadline = 0;
    header->stream = 1;
    header->commit.store(CommitWord(head_), std::memory_order_release);
  }

  // The exchange is the fence between publishing the record and looking whether the reader sleeps.
  void RingBell() {
    if (ring_.armed.exchange(0) == 0) return;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = write(bell_, &one, sizeof one);
  }

  Ring& ring_;
  const int bell_;
  uint64_t head_ = 0;
  uint64_t tail_ = 0;  // as last seen
};

class RingReader {
 public:
  RingReader(Ring& ring, int bell) : ring_(ring), bell_(bell) {}

  void Receive(EchoMessage* message) {
    while (!TryReceive(message)) {
      if (bell_ == kNoBell) {
        Relax();
      } else {
        Sleep();
      }
    }
  }

  // False where no record is there yet.
  bool TryReceive(EchoMessage* message) {
    while (IsReady()) {
      const size_t offset = Offset(tail_);
      const uint32_t body = HeaderAt(ring_, offset)->length;
      if (body == RecordHeader::kSkipToStart) {
        tail_ += Ring::kCapacity - offset;
        continue;
      }
      // Copied out before it is parsed, as whoever does not trust the writer must.
      char* copy = copy_.Reserve(body);
      VectorCopy(copy, ring_.data + offset + sizeof(RecordHeader), body);
      Advance(RecordBytes(body));
      message->ParseFromArray(copy, static_cast<int>(body));
      copy_.KeepClearOf(message->payload().data(), message->payload().size(), copy);
      return true;
    }
    return false;
  }

 private:
  bool IsReady() const {
    return HeaderAt(ring_, Offset(tail_))->commit.load(std::memory_order_acquire) == CommitWord(tail_);
  }

  // Room is given back in large steps: each costs the writer a cache miss.
  void Advance(size_t bytes) {
    tail_ += bytes;
    if (tail_ - published_ <= Ring::kCapacity / 8) return;
    published_ = tail_;
    ring_.tail.store(tail_, std::memory_order_release);
  }

  // Arms, looks again, sleeps.
  void Sleep() {
    ring_.armed.exchange(1);
    if (IsReady()) {
      ring_.armed.exchange(0);
      return;
    }
    uint64_t rings;
    [[maybe_unused]] const ssize_t got = read(bell_, &rings, sizeof rings);
  }

  Ring& ring_;
  const int bell_;
  ShiftingBuffer copy_;
  uint64_t tail_ = 0;
  uint64_t published_ = 0;
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_RING_H_
