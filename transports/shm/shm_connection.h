// ShmConnection: frames over two rings in shared memory, with an eventfd as each side's bell and a Unix
// socket as the life line.
#ifndef SIDECALL_TRANSPORTS_SHM_SHM_CONNECTION_H_
#define SIDECALL_TRANSPORTS_SHM_SHM_CONNECTION_H_

#include <atomic>

#include "transport/transport.h"
#include "transport/unique_fd.h"
#include "transports/shm/segment.h"

namespace sidecall {

class ShmConnection final : public Connection {
 public:
  enum class Side { kClient, kServer };
  ShmConnection(Side side, UniqueFd life_line, Segment segment, PeerIdentity peer);

  Slot Reserve(size_t size, Lane lane) override;
  void Commit(const Slot& slot, const FrameHeader& header) override {
    producer_.Commit(header);
    (void)slot;
  }
  void Abandon(const Slot& /*slot*/) override {}
  bool Flush() override;
  size_t Poll(FrameSink& sink) override;
  bool Arm() override;
  void Disarm(uint32_t ready) override;
  WaitDescriptors wait_descriptors() const override;
  const PeerIdentity& peer() const override { return peer_; }
  ConnectionLimits limits() const override;
  void Close() override;

 private:
  void ReportClosed(FrameSink& sink, const absl::Status& why);
  bool LifeLineHungUp() const;

  const UniqueFd life_line_;
  const Segment segment_;
  const int own_bell_;
  const int peer_bell_;
  const PeerIdentity peer_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> producer_violated_{false};

  alignas(64) RingProducer producer_;
  alignas(64) RingConsumer consumer_;
  bool hung_up_ = false;
  bool reported_closed_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_SHM_SHM_CONNECTION_H_
