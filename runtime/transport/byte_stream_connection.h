// ByteStreamConnection: frames over whatever carries bytes in order: header and body, back to back, nothing
// between. For every transport that has such a thing: sockets, pipes.
#ifndef SIDECALL_TRANSPORT_BYTE_STREAM_CONNECTION_H_
#define SIDECALL_TRANSPORT_BYTE_STREAM_CONNECTION_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <atomic>
#include <deque>
#include <memory>

#include "transport/output_room.h"
#include "transport/transport.h"
#include "transport/unique_fd.h"

namespace sidecall {

// Bytes both ways, in order. Threads: as Connection's.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Bytes taken of the `count` pieces, at least one; -1 with errno: EAGAIN where there is no room, EPIPE or
  // ECONNRESET where the peer has gone. Never waits, raises no signal.
  virtual ssize_t Write(const iovec* pieces, size_t count) = 0;
  // Bytes read, as many as there are and `size` takes; 0 at the end; -1 with errno: EAGAIN where there are
  // none. (A peer that sends what only it has use for, descriptors or urgent bytes over a socket, packets in
  // a pipe, ends reads early, and so waits for its own next bytes.)
  virtual ssize_t Read(char* bytes, size_t size) = 0;
  // Ends both directions: the peer reads what was written, then the end; Read gives the end, and a wait
  // descriptor becomes ready. Any thread, any number of times.
  virtual void HangUp() = 0;
  // Nobody reads what is written any more, as a Write has found: Read gives what the peer had sent before,
  // then the end, whoever else has the peer's end, and a wait descriptor becomes ready. Any thread.
  virtual void EndWriting() = 0;
  // What to sleep on for bytes, the end, and room where that is wanted. No deaths.
  virtual WaitDescriptors wait_descriptors(bool want_room) const = 0;
};

class ByteStreamConnection final : public Connection {
 public:
  // `peer_process`: the pidfd of the process at the other end, or none.
  ByteStreamConnection(std::unique_ptr<ByteStream> stream, PeerIdentity peer, UniqueFd peer_process);

  Slot Reserve(size_t size, Lane lane) override;
  void Commit(const Slot& slot, const FrameHeader& header) override;
  void Abandon(const Slot& slot) override;
  bool Flush() override;
  size_t Poll(FrameSink& sink) override;
  bool Arm() override;
  void Disarm(const ReadyDescriptors& told) override;
  WaitDescriptors wait_descriptors() const override;
  const PeerIdentity& peer() const override { return peer_; }
  ConnectionLimits limits() const override;
  void Close() override;

 private:
  // A piece of output: many small frames, or one large.
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    size_t capacity = 0;
    size_t used = 0;
    size_t sent = 0;
  };
  // Page-shifted, so that a large string parsed out of it never aliases it (transport/shared_copy.h).
  struct ReceiveBuffer {
    std::unique_ptr<char[]> memory;
    char* bytes = nullptr;
    size_t capacity = 0;
  };

  Chunk TakeChunk(size_t size);
  void RecycleChunk(Chunk chunk);
  size_t FeedFrames(FrameSink& sink, bool& stop);
  void MakeRoom(size_t frame_bytes);
  bool ReceiveMore(FrameSink& sink);
  void ReportClosed(FrameSink& sink, const absl::Status& why);

  const std::unique_ptr<ByteStream> stream_;
  PeerIdentity peer_;
  UniqueFd peer_process_;
  std::atomic<bool> closed_{false};

  // The sender's.
  std::deque<Chunk> output_;
  size_t queued_ = 0;
  Chunk spare_small_;
  Chunk spare_large_;
  OutputRoom room_;
  bool send_failed_ = false;
  std::atomic<int> send_error_{0};  // why, where it was not the peer's end

  // The receiver's.
  ReceiveBuffer input_;
  size_t begin_ = 0;  // first byte not yet fed
  size_t end_ = 0;    // past the last byte received
  bool maybe_readable_ = true;
  bool read_to_the_end_ = true;  // until Read finds nothing: the end may lie behind the bytes
  bool peer_died_ = false;
  bool reported_closed_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_BYTE_STREAM_CONNECTION_H_
