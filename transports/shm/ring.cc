#include "transports/shm/ring.h"

#include <array>
#include <bit>
#include <cstring>

namespace sidecall {
namespace {

std::atomic<uint64_t>& Word(char* record, size_t index) {
  return reinterpret_cast<std::atomic<uint64_t>*>(record)[index];
}

// Word by word, as WithLength() stored them: a wider load would wait for the stores before it.
void WriteRecord(char* record, const FrameHeader& header, uint64_t commit) {
  for (size_t i = 0; i < sizeof header / sizeof(uint64_t); i++) {
    uint64_t word = 0;
    std::memcpy(&word, reinterpret_cast<const char*>(&header) + i * sizeof word, sizeof word);
    Word(record, 1 + i).store(word, std::memory_order_relaxed);
  }
  Word(record, 0).store(commit, std::memory_order_release);
}

// Each word once: the peer may be writing to it.
FrameHeader ReadHeader(const char* record) {
  const auto* words = reinterpret_cast<const std::atomic<uint64_t>*>(record) + 1;
  return std::bit_cast<FrameHeader>(std::array<uint64_t, 3>{words[0].load(std::memory_order_relaxed),
                                                            words[1].load(std::memory_order_relaxed),
                                                            words[2].load(std::memory_order_relaxed)});
}

}  // namespace

bool RingProducer::HasRoom(uint64_t bytes) {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  if (head + bytes - tail_seen_ <= capacity_) return true;
  const uint64_t tail = control_->tail.load(std::memory_order_acquire);
  if (tail < tail_seen_ || tail > head) {
    violated_ = true;
    return false;
  }
  tail_seen_ = tail;
  return head + bytes - tail_seen_ <= capacity_;
}

char* RingProducer::Reserve(size_t body) {
  const uint64_t record = RecordBytes(body);
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t at = head & (capacity_ - 1);
  const uint64_t rest = capacity_ - at;  // A record does not wrap: one that would begins the next lap.
  const uint64_t padding = record > rest ? rest : 0;
  if (!HasRoom(padding + record)) {
    if (violated_) return nullptr;
    control_->room_wanted.store(++waits_, std::memory_order_relaxed);
    FullFence();
    if (!HasRoom(padding + record)) return nullptr;
  }
  if (padding != 0) {
    FrameHeader header;
    header.length = static_cast<uint32_t>(padding - kRecordHeaderBytes);
    WriteRecord(data_ + at, header, key_ + head);
    head_.store(head + padding, std::memory_order_relaxed);
  }
  return data_ + ((head + padding) & (capacity_ - 1)) + kRecordHeaderBytes;
}

void RingProducer::Commit(const FrameHeader& header) {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  WriteRecord(data_ + (head & (capacity_ - 1)), header, key_ + head);
  head_.store(head + RecordBytes(header.length), std::memory_order_relaxed);
}

bool RingProducer::MustRing() {
  FullFence();  // The commit word, or the room request, before the look at `armed`; pairs with
                // RingConsumer::Arm.
  const uint64_t armed = control_->armed.load(std::memory_order_relaxed);
  if (armed == 0 || armed == rung_) return false;
  rung_ = armed;
  return true;
}

size_t RingConsumer::Feed(FrameSink& sink) {
  size_t fed = 0;
  while (!violated_ && HasRecord()) {
    const uint64_t at = position_ & (capacity_ - 1);
    const FrameHeader header = ReadHeader(data_ + at);
    const uint64_t record = RecordBytes(header.length);
    if (record > capacity_ - at) {
      violated_ = true;
      break;
    }
    bool more = true;
    if (header.type != FrameType::kPadding) {
      more = sink.OnFrame(header,
                          {.bytes = data_ + at + kRecordHeaderBytes, .size = header.length, .shared = true});
      fed++;
    }
    position_ += record;
    // Room in steps of an eighth: the producer's cache line moves seldom.
    if (position_ - published_ >= capacity_ / 8) {
      control_->tail.store(position_, std::memory_order_release);
      published_ = position_;
    }
    if (!more) break;
  }
  return fed;
}

bool RingConsumer::Arm() {
  control_->armed.store(++sleeps_, std::memory_order_relaxed);
  FullFence();  // Pairs with RingProducer::MustRing: either it sees us armed, or we see its record.
  if (!HasRecord()) return true;
  Disarm();
  return false;
}

bool RingConsumer::PublishTail() {
  if (!RoomWanted()) return false;
  const uint64_t wanted = control_->room_wanted.load(std::memory_order_relaxed);
  control_->tail.store(position_, std::memory_order_release);
  published_ = position_;
  room_told_ = wanted;
  return true;
}

}  // namespace sidecall
