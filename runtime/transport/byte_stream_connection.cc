#include "transport/byte_stream_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

constexpr size_t kHeaderBytes = sizeof(FrameHeader);
// A frame of 1 MiB of message and what may stand before it; larger messages are split by the core.
constexpr size_t kMaxFrame = (1u << 20) + (64u << 10);
constexpr size_t kInlineSlot = 16u << 10;
constexpr size_t kChunkBytes = 64u << 10;
// Output that waits for a slow peer, beyond which Reserve has no room.
constexpr size_t kMaxQueued = 4u << 20;
constexpr size_t kPage = 4096;
static_assert(kReadableBehind <= kPage / 2);  // Rule 12: so much at least lies behind the input.

}  // namespace

ByteStreamConnection::ByteStreamConnection(std::unique_ptr<ByteStream> stream, PeerIdentity peer,
                                           UniqueFd peer_process)
    : stream_(std::move(stream)), peer_(std::move(peer)), peer_process_(std::move(peer_process)) {}

ConnectionLimits ByteStreamConnection::limits() const {
  return {.max_frame = kMaxFrame, .inline_slot = kInlineSlot};
}

ByteStreamConnection::Chunk ByteStreamConnection::TakeChunk(size_t size) {
  Chunk& spare = size <= kChunkBytes ? spare_small_ : spare_large_;
  if (spare.capacity >= size) return std::exchange(spare, Chunk{});
  const size_t capacity = std::max(size, kChunkBytes);
  return Chunk{.bytes = std::make_unique_for_overwrite<char[]>(capacity), .capacity = capacity};
}

void ByteStreamConnection::RecycleChunk(Chunk chunk) {
  chunk.used = chunk.sent = 0;
  Chunk& spare = chunk.capacity <= kChunkBytes ? spare_small_ : spare_large_;
  if (chunk.capacity > spare.capacity) spare = std::move(chunk);
}

Slot ByteStreamConnection::Reserve(size_t size, Lane /*lane*/) {
  if (queued_ > kMaxQueued) {
    room_.Refuse();
    return {};
  }
  const size_t needed = kHeaderBytes + size;
  if (size > kInlineSlot) {
    // Filled outside the lock, queued at Commit.
    auto* chunk = new Chunk(TakeChunk(needed));
    return {.body = chunk->bytes.get() + kHeaderBytes, .size = size, .owner = chunk};
  }
  if (output_.empty() || output_.back().capacity - output_.back().used < needed) {
    output_.push_back(TakeChunk(kChunkBytes));
  }
  Chunk& chunk = output_.back();
  return {.body = chunk.bytes.get() + chunk.used + kHeaderBytes, .size = size, .owner = nullptr};
}

void ByteStreamConnection::Commit(const Slot& slot, const FrameHeader& header) {
  std::memcpy(slot.body - kHeaderBytes, &header, kHeaderBytes);
  const size_t bytes = kHeaderBytes + header.length;
  if (slot.owner != nullptr) {
    std::unique_ptr<Chunk> chunk(static_cast<Chunk*>(slot.owner));
    output_.push_back(std::move(*chunk));
  }
  output_.back().used += bytes;
  queued_ += bytes;
}

void ByteStreamConnection::Abandon(const Slot& slot) {
  delete static_cast<Chunk*>(slot.owner);
}

bool ByteStreamConnection::Flush() {
  while (queued_ > 0 && !send_failed_) {
    std::array<iovec, 16> pieces;
    size_t count = 0;
    for (const Chunk& chunk : output_) {
      if (count == pieces.size()) break;
      pieces[count++] = {chunk.bytes.get() + chunk.sent, chunk.used - chunk.sent};
    }
    const ssize_t sent = stream_->Write(pieces.data(), count);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        room_.Await();
        return false;
      }
      send_failed_ = true;
      if (errno == EPIPE || errno == ECONNRESET) {
        stream_->EndWriting();  // The reader learns of the peer's end behind what that has sent.
      } else {
        send_error_.store(errno, std::memory_order_release);
        stream_->HangUp();
      }
      break;
    }
    queued_ -= static_cast<size_t>(sent);
    for (size_t left = static_cast<size_t>(sent); left > 0;) {
      Chunk& chunk = output_.front();
      const size_t part = std::min(left, chunk.used - chunk.sent);
      chunk.sent += part;
      left -= part;
      if (chunk.sent < chunk.used) break;
      RecycleChunk(std::move(chunk));
      output_.pop_front();
    }
  }
  if (send_failed_) {
    output_.clear();
    queued_ = 0;
  }
  room_.AllSent();
  return true;
}

void ByteStreamConnection::MakeRoom(size_t frame_bytes) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (input_.capacity - begin_ >= frame_bytes) return;
  if (input_.capacity >= frame_bytes) {
    std::memmove(input_.bytes, input_.bytes + begin_, end_ - begin_);
  } else {
    const size_t capacity = std::max(frame_bytes, kChunkBytes);
    auto memory = std::make_unique_for_overwrite<char[]>(capacity + 2 * kPage);
    const auto address = reinterpret_cast<uintptr_t>(memory.get());
    char* bytes = memory.get() + (kPage - address % kPage) % kPage + kPage / 2;
    if (end_ > begin_) std::memcpy(bytes, input_.bytes + begin_, end_ - begin_);
    input_ = {.memory = std::move(memory), .bytes = bytes, .capacity = capacity};
  }
  end_ -= begin_;
  begin_ = 0;
}

// Feeds every whole frame in the buffer. Sets `stop` where the sink asked for it, or a frame is none.
size_t ByteStreamConnection::FeedFrames(FrameSink& sink, bool& stop) {
  size_t fed = 0;
  while (!stop && end_ - begin_ >= kHeaderBytes) {
    FrameHeader header;
    std::memcpy(&header, input_.bytes + begin_, kHeaderBytes);
    if (header.length > kMaxFrame) {
      Close();
      ReportClosed(sink, absl::DataLossError(absl::StrCat(
                             "the peer (", peer_.ToString(), ") sent a frame of ", header.length,
                             " bytes where ", kMaxFrame, " is the most; the connection is closed")));
      stop = true;
      break;
    }
    const size_t bytes = kHeaderBytes + header.length;
    if (end_ - begin_ < bytes) {
      // Not while bodies that were fed are still being read: they lie in the buffer, until the next Poll.
      if (fed == 0) MakeRoom(bytes);
      break;
    }
    const FrameBody body{
        .bytes = input_.bytes + begin_ + kHeaderBytes, .size = header.length, .shared = false};
    begin_ += bytes;
    fed++;
    stop = !sink.OnFrame(header, body);
  }
  return fed;
}

// One read. False where nothing more is there: whatever comes then makes a wait descriptor ready.
bool ByteStreamConnection::ReceiveMore(FrameSink& sink) {
  MakeRoom(end_ - begin_ + kHeaderBytes);
  const size_t room = input_.capacity - end_;
  ssize_t received = 0;
  do {
    received = stream_->Read(input_.bytes + end_, room);
  } while (received < 0 && errno == EINTR);
  if (received > 0) {
    end_ += static_cast<size_t>(received);
    return read_to_the_end_ || static_cast<size_t>(received) == room;
  }
  read_to_the_end_ = false;
  if (received < 0 && errno == EAGAIN && !peer_died_) return false;
  absl::Status why = absl::UnavailableError(absl::StrCat("the peer (", peer_.ToString(), ") hung up"));
  if (received < 0 && errno == EAGAIN) {
    stream_->HangUp();  // Whoever has inherited its end is no peer of ours.
  } else if (received < 0 && errno != ECONNRESET) {
    why = ErrnoStatus(errno, "read");
  }
  if (const int error = send_error_.load(std::memory_order_acquire); error != 0)
    why = ErrnoStatus(error, "write");
  ReportClosed(sink, closed_.load(std::memory_order_acquire) ? absl::OkStatus() : why);
  return false;
}

size_t ByteStreamConnection::Poll(FrameSink& sink) {
  if (reported_closed_) return 0;
  bool stop = false;
  size_t fed = begin_ < end_ ? FeedFrames(sink, stop) : 0;
  if (stop || fed > 0) return fed;
  maybe_readable_ = ReceiveMore(sink);
  if (!reported_closed_ && begin_ < end_) fed += FeedFrames(sink, stop);
  return fed;
}

bool ByteStreamConnection::Arm() {
  // A whole frame may lie in the buffer, where a sink stopped Poll.
  if (reported_closed_ || maybe_readable_ || room_.TakeMade()) return false;
  if (end_ - begin_ < kHeaderBytes) return true;
  FrameHeader header;
  std::memcpy(&header, input_.bytes + begin_, kHeaderBytes);
  // One that can be no frame is never whole, and is for Poll to tell.
  return header.length <= kMaxFrame && end_ - begin_ < kHeaderBytes + header.length;
}

void ByteStreamConnection::Disarm(const ReadyDescriptors& told) {
  if (told.ready == 0) return;
  maybe_readable_ = true;
  // Not bytes alone: what else there is shows once they have been read.
  if (told.ready != 1 || told.ended != 0) read_to_the_end_ = true;
  // The last: what shows the peer's death.
  if (peer_process_.valid() && (told.ready >> stream_->wait_descriptors(false).count & 1) != 0)
    peer_died_ = true;
}

WaitDescriptors ByteStreamConnection::wait_descriptors() const {
  WaitDescriptors wait = stream_->wait_descriptors(room_.awaited());
  if (!peer_process_.valid()) return wait;
  wait.items[wait.count++] = {.fd = peer_process_.get(), .events = POLLIN, .revents = 0};
  wait.deaths = 1;
  return wait;
}

void ByteStreamConnection::ReportClosed(FrameSink& sink, const absl::Status& why) {
  if (std::exchange(reported_closed_, true)) return;
  sink.OnClosed(why);
}

void ByteStreamConnection::Close() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return;
  stream_->HangUp();
}

}  // namespace sidecall
