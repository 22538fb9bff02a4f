// ShmConnection: frames over two rings in shared memory, with an eventfd as each side's bell and a Unix
// socket as the life line.
#ifndef SIDECALL_TRANSPORTS_SHM_SHM_CONNECTION_H_
#define SIDECALL_TRANSPORTS_SHM_SHM_CONNECTION_H_

#include <atomic>
#include <cstdint>

#include "transport/transport.h"
#include "transport/unique_fd.h"
#include "transports/shm/segment.h"

namespace sidecall {

class ShmConnection final : public Connection {
 public:
  enum class Side { kClient, kServer };
  // `peer_process`: the pidfd of the process at the life line's other end, or none.
  ShmConnection(Side side, UniqueFd life_line, Segment segment, PeerIdentity peer, UniqueFd peer_process);

  Slot Reserve(size_t size, Lane lane) override;
  void Commit(const Slot& slot, const FrameHeader& header) override {
    producer_.Commit(header);
    (void)slot;
  }
  void Abandon(const Slot& /*slot*/) override {}
  bool Flush() override;
  size_t Poll(FrameSink& sink) override;
  bool Arm() override;
  void Disarm(const ReadyDescriptors& told) override;
  WaitDescriptors wait_descriptors() const override;
  const PeerIdentity& peer() const override { return peer_; }
  ConnectionLimits limits() const override;
  void Close() override;

 private:
  // Why there is more to a poll than a look at the ring. Several may hold.
  enum Trouble : uint8_t {
    kClosed = 1,    // by this side
    kViolated = 2,  // a record or a position that cannot be
    kHungUp = 4,    // the life line's end, or the peer's
    kReported = 8,  // OnClosed has been called
  };
  bool Has(uint8_t trouble) const { return (trouble_.load(std::memory_order_acquire) & trouble) != 0; }
  // False where it was so before.
  bool Note(uint8_t trouble) {
    return (trouble_.fetch_or(trouble, std::memory_order_acq_rel) & trouble) == 0;
  }
  void EndWhereTroubled(FrameSink& sink);
  void ReportClosed(FrameSink& sink, const absl::Status& why);
  bool LifeLineHungUp() const;

  const UniqueFd life_line_;
  const UniqueFd peer_process_;
  const Segment segment_;
  const int own_watch_;
  const int peer_bell_;
  const PeerIdentity peer_;
  std::atomic<uint8_t> trouble_{0};

  alignas(64) RingProducer producer_;
  alignas(64) RingConsumer consumer_;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_SHM_SHM_CONNECTION_H_
