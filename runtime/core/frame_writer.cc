#include "core/frame_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sidecall {
namespace {

constexpr size_t kPutOffBytes = 8u << 10;

void Fill(char* body, std::string_view head, const internal::MessageSource* message) {
  if (!head.empty()) std::memcpy(body, head.data(), head.size());
  if (message != nullptr) message->SerializeTo(reinterpret_cast<uint8_t*>(body + head.size()));
}

}  // namespace

// A logical frame's body as a stream of pieces, each sent as soon as the next is asked for: the peer reads
// the first while the last is being serialized, and other streams' frames go in between.
class FrameWriter::FragmentStream final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  FragmentStream(FrameWriter& writer, Lock& lock, const FrameHeader& header, size_t total)
      : writer_(writer), lock_(lock), header_(header), left_(total) {}

  bool Next(void** data, int* size) override {
    if (backed_up_ > 0) {
      *data = place_.body() + size_ - backed_up_;
      *size = static_cast<int>(std::exchange(backed_up_, 0));
      return true;
    }
    SendPiece();
    if (left_ == 0) return false;
    size_ = std::min(left_, writer_.limits_.max_frame);
    place_ = writer_.Reserve(size_, header_.lane);
    left_ -= size_;
    // A large slot is filled outside of the lock, so that its serialization holds up no other stream.
    if (size_ > writer_.limits_.inline_slot) lock_.unlock();
    *data = place_.body();
    *size = static_cast<int>(size_);
    return true;
  }
  void BackUp(int count) override { backed_up_ = static_cast<size_t>(count); }
  int64_t ByteCount() const override { return sent_ + static_cast<int64_t>(size_ - backed_up_); }

  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      void* data = nullptr;
      int size = 0;
      if (!Next(&data, &size)) return;
      const size_t part = std::min(bytes.size(), static_cast<size_t>(size));
      std::memcpy(data, bytes.data(), part);
      bytes.remove_prefix(part);
      BackUp(size - static_cast<int>(part));
    }
  }

  // Sends the rest. A message that changed after it was sized may have left a hole: zeros fill it.
  void Finish() {
    void* data = nullptr;
    int size = 0;
    while (Next(&data, &size)) std::memset(data, 0, static_cast<size_t>(size));
  }

 private:
  void SendPiece() {
    if (size_ == 0) return;
    if (!lock_.owns_lock()) lock_.lock();
    FrameHeader header = header_;
    if (left_ > 0) header.flags |= FrameFlags::kMore;
    writer_.Commit(std::move(place_), WithLength(header, size_));
    sent_ += static_cast<int64_t>(size_);
    size_ = 0;
    // What follows carries nothing but bytes of the same body.
    header_.type = FrameType::kContinuation;
    header_.flags = 0;
    if (left_ == 0) return;
    writer_.Flush(lock_);
    lock_.unlock();  // Between pieces others may send.
    lock_.lock();
  }

  FrameWriter& writer_;
  Lock& lock_;
  FrameHeader header_;
  size_t left_;  // bytes for which no piece has been reserved
  Place place_;
  size_t size_ = 0;  // of the current piece
  size_t backed_up_ = 0;
  int64_t sent_ = 0;
};

FrameWriter::Place FrameWriter::Reserve(size_t size, Lane lane) {
  Place place;
  if (!WaitsBehind(lane)) place.slot = connection_.Reserve(size, lane);
  return place.slot.body != nullptr ? std::move(place) : Spilled(size);
}

FrameWriter::Place FrameWriter::Spilled(size_t size) {
  return {.slot = {}, .spilled = std::make_unique_for_overwrite<char[]>(size + 1)};
}

void FrameWriter::Commit(Place place, const FrameHeader& header) {
  if (place.spilled == nullptr) {
    connection_.Commit(place.slot, header);
  } else {
    if (header.type == FrameType::kEnd) pending_ends_.fetch_add(1, std::memory_order_relaxed);
    pending_bytes_.fetch_add(header.length, std::memory_order_relaxed);
    PendingOf(header.lane).push_back({.header = header, .body = std::move(place.spilled)});
    pending_left_.store(true, std::memory_order_seq_cst);
  }
}

void FrameWriter::KeepControl(const FrameHeader& header) {
  pending_left_.store(true, std::memory_order_seq_cst);
  for (FrameHeader& kept : pending_control_) {
    if (kept.type != header.type || kept.stream != header.stream) continue;
    kept.argument = header.type == FrameType::kWindow ? kept.argument + header.argument : header.argument;
    return;
  }
  pending_control_.push_back(header);
}

void FrameWriter::Send(Lock& lock, const FrameHeader& header, std::string_view head,
                       const internal::MessageSource* message, size_t message_size) {
  const size_t size = head.size() + message_size;
  if (size > limits_.inline_slot || WaitsBehind(header.lane)) [[unlikely]] {
    SendLarge(lock, header, head, message, size);
    return;
  }
  const Slot slot = connection_.Reserve(size, header.lane);
  if (slot.body == nullptr) [[unlikely]] {
    if (header.lane == Lane::kControl && size == 0) {
      KeepControl(header);
      return;
    }
    Place place = Spilled(size);
    Fill(place.body(), head, message);
    Commit(std::move(place), WithLength(header, size));
    return;
  }
  Fill(slot.body, head, message);
  connection_.Commit(slot, WithLength(header, size));
}

// Large, or behind others of its lane that wait for room.
void FrameWriter::SendLarge(Lock& lock, const FrameHeader& header, std::string_view head,
                            const internal::MessageSource* message, size_t size) {
  if (size > limits_.max_frame) {
    SendFragments(lock, header, head, message, size);
    return;
  }
  Place place = Reserve(size, header.lane);
  const bool outside_lock = size > limits_.inline_slot;
  if (outside_lock) lock.unlock();
  Fill(place.body(), head, message);
  if (outside_lock) lock.lock();
  Commit(std::move(place), WithLength(header, size));
}

void FrameWriter::SendFragments(Lock& lock, const FrameHeader& header, std::string_view head,
                                const internal::MessageSource* message, size_t size) {
  const auto whole = static_cast<uint32_t>(size);
  FragmentStream stream(*this, lock, header, sizeof whole + size);
  stream.Write({reinterpret_cast<const char*>(&whole), sizeof whole});
  stream.Write(head);
  if (size > head.size()) message->SerializeTo(&stream);
  stream.Finish();
  if (!lock.owns_lock()) lock.lock();
}

void FrameWriter::PutOffFlush(const Lock& lock, size_t message_size) {
  const size_t bytes = put_off_bytes_.load(std::memory_order_relaxed) + sizeof(FrameHeader) + message_size;
  if (bytes >= kPutOffBytes || !pending_.empty() || !pending_urgent_.empty() || !pending_control_.empty()) {
    Flush(lock);
    return;
  }
  put_off_bytes_.store(bytes, std::memory_order_relaxed);
  if (!has_pending()) pending_left_.store(true, std::memory_order_seq_cst);
}

void FrameWriter::FlushPending(Lane lane) {
  for (std::deque<Pending>& pending = PendingOf(lane); !pending.empty(); pending.pop_front()) {
    const Pending& next = pending.front();
    const Slot slot = connection_.Reserve(next.header.length, lane);
    if (slot.body == nullptr) return;
    std::memcpy(slot.body, next.body.get(), next.header.length);
    connection_.Commit(slot, next.header);
    if (next.header.type == FrameType::kEnd) pending_ends_.fetch_sub(1, std::memory_order_relaxed);
    pending_bytes_.fetch_sub(next.header.length, std::memory_order_relaxed);
  }
}

void FrameWriter::FlushAll() {
  if (has_put_off()) put_off_bytes_.store(0, std::memory_order_relaxed);
  while (!pending_control_.empty()) {
    const Slot slot = connection_.Reserve(0, Lane::kControl);
    if (slot.body == nullptr) break;
    connection_.Commit(slot, pending_control_.front());
    pending_control_.erase(pending_control_.begin());
  }
  FlushPending(Lane::kUrgent);
  FlushPending(Lane::kData);
  const bool all_sent = connection_.Flush();
  if (!all_sent || !pending_.empty() || !pending_urgent_.empty() || !pending_control_.empty()) return;
  pending_left_.store(false, std::memory_order_seq_cst);
  for (Sleeper* waiter : room_waiters_) waiter->Wake();
}

}  // namespace sidecall
