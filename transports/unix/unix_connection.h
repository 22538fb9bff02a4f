// UnixConnection: frames over a Unix stream socket: header and body, back to back, nothing between.
#ifndef SIDECALL_TRANSPORTS_UNIX_UNIX_CONNECTION_H_
#define SIDECALL_TRANSPORTS_UNIX_UNIX_CONNECTION_H_

#include <atomic>
#include <deque>
#include <memory>

#include "transport/transport.h"
#include "transport/unique_fd.h"

namespace sidecall {

class UnixConnection final : public Connection {
 public:
  // Takes a connected, non-blocking socket, and the pidfd of the process at its other end, or none.
  UnixConnection(UniqueFd socket, PeerIdentity peer, UniqueFd peer_process);

  Slot Reserve(size_t size, Lane lane) override;
  void Commit(const Slot& slot, const FrameHeader& header) override;
  void Abandon(const Slot& slot) override;
  bool Flush() override;
  size_t Poll(FrameSink& sink) override;
  bool Arm() override;
  void Disarm(uint32_t ready) override;
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

  UniqueFd socket_;
  PeerIdentity peer_;
  UniqueFd peer_process_;
  std::atomic<bool> closed_{false};

  // The sender's.
  std::deque<Chunk> output_;
  size_t queued_ = 0;
  Chunk spare_small_;
  Chunk spare_large_;
  bool room_wanted_ = false;              // by a Reserve since the last Flush that sent all
  std::atomic<bool> output_left_{false};  // wait for room in the socket
  bool send_failed_ = false;
  std::atomic<int> send_error_{0};  // why, where it was not the peer's end

  // The receiver's.
  ReceiveBuffer input_;
  size_t begin_ = 0;  // first byte not yet fed
  size_t end_ = 0;    // past the last byte received
  bool maybe_readable_ = true;
  bool peer_died_ = false;
  bool reported_closed_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_UNIX_UNIX_CONNECTION_H_
