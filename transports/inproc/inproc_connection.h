// InprocConnection: frames from one thread's hands into another's. Two queues, an eventfd as each side's
// bell.
#ifndef SIDECALL_TRANSPORTS_INPROC_INPROC_CONNECTION_H_
#define SIDECALL_TRANSPORTS_INPROC_INPROC_CONNECTION_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "transport/transport.h"
#include "transport/unique_fd.h"

namespace sidecall {

// A frame on its way: moved, never copied.
struct InprocFrame {
  FrameHeader header;
  std::unique_ptr<char[]> bytes;
  size_t capacity = 0;
};

// One direction. Outlives either end.
class InprocQueue {
 public:
  explicit InprocQueue(UniqueFd bell) : bell_(std::move(bell)) {}

  // Takes `frames`; true where the consumer sleeps and must be rung.
  bool Push(std::vector<InprocFrame>& frames);
  // Moves out all that is there, and takes back the memory of `done` for the producer to use again. True
  // where the producer waits for room.
  bool Pull(std::vector<InprocFrame>& frames, std::vector<InprocFrame>& done);
  // A frame's memory, used before where possible.
  InprocFrame TakeMemory(size_t size);
  // False where more is queued than a slow consumer may leave; then a later Pull says that room is wanted.
  bool HasRoom();
  // Announces the consumer's sleep. False where something is there already.
  bool Arm();
  void Disarm() { armed_.store(false, std::memory_order_relaxed); }
  void Close();
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  // Whether a look is worth the lock.
  bool MayHaveFrames() const { return queued_.load(std::memory_order_acquire) > 0; }

  int bell() const { return bell_.get(); }
  void Ring();

 private:
  const UniqueFd bell_;
  std::atomic<bool> armed_{false};
  std::atomic<bool> closed_{false};
  std::atomic<size_t> queued_{0};  // frames
  std::mutex mutex_;
  std::vector<InprocFrame> frames_;
  std::vector<InprocFrame> spare_;
  size_t queued_bytes_ = 0;
  bool room_wanted_ = false;
};

class InprocConnection final : public Connection {
 public:
  // `in` is this end's, `out` the peer's.
  InprocConnection(std::shared_ptr<InprocQueue> in, std::shared_ptr<InprocQueue> out);
  ~InprocConnection() override;

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
  const std::shared_ptr<InprocQueue> in_;
  const std::shared_ptr<InprocQueue> out_;
  PeerIdentity peer_;
  std::atomic<bool> closed_here_{false};

  // The sender's.
  std::vector<InprocFrame> outgoing_;

  // The receiver's: frames pulled and not yet fed begin at next_.
  std::vector<InprocFrame> incoming_;
  std::vector<InprocFrame> done_;
  size_t next_ = 0;
  bool reported_closed_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_INPROC_INPROC_CONNECTION_H_
