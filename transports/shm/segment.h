// Segment: the shared memory of one connection, its two bells, and how the server hands them to the client.
#ifndef SIDECALL_TRANSPORTS_SHM_SEGMENT_H_
#define SIDECALL_TRANSPORTS_SHM_SEGMENT_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "transport/unique_fd.h"
#include "transports/shm/ring.h"

namespace sidecall {

// The most that a client maps on a server's word, per ring.
inline constexpr uint64_t kMaxRingBytes = 64u << 20;
inline constexpr uint64_t kMinRingBytes = 64u << 10;
inline constexpr uint64_t kDefaultRingBytes = 2u << 20;

class Segment {
 public:
  // Makes and seals a segment with two rings of `ring_bytes`. RESOURCE_EXHAUSTED where memory or descriptors
  // ran out.
  static absl::StatusOr<Segment> Create(uint64_t ring_bytes);
  // Server: sends it over the connected socket, which has room for the one small message.
  absl::Status SendTo(int socket);
  // Client: receives one, and checks descriptors, seals and sizes before it maps. DATA_LOSS where they are
  // not as they must be; UNAVAILABLE where the server hung up; DEADLINE_EXCEEDED; CANCELLED where
  // `cancel_descriptor` (-1: none) is readable before the offer is.
  static absl::StatusOr<Segment> ReceiveFrom(int socket, int64_t deadline_nanos, int cancel_descriptor = -1);

  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&&) = delete;
  ~Segment();

  static constexpr int kToServer = 0;
  static constexpr int kToClient = 1;
  RingProducer Producer(int direction) const;
  RingConsumer Consumer(int direction) const;
  // What rings the bell of the consumer of `direction`: REQUIRES that this side is the producer.
  int bell(int direction) const { return bells_[direction].get(); }
  // What the consumer of `direction` sleeps on.
  int watch(int direction) const {
    return direction == kToClient ? client_watch_.get() : bells_[direction].get();
  }

 private:
  Segment() = default;
  absl::Status Map();
  RingControl* Control(int direction) const;
  char* Data(int direction) const;

  UniqueFd memory_;
  // The server's bell is an eventfd that both sides have: the server never writes to it. The client's is the
  // server's alone, and the client gets an epoll descriptor that watches it: whoever has an eventfd may fill
  // it, and take O_NONBLOCK from it for all, and then the next to ring would wait for ever.
  UniqueFd bells_[2];
  UniqueFd client_watch_;
  uint64_t ring_bytes_ = 0;
  uint64_t keys_[2] = {};
  char* base_ = nullptr;
  pid_t owner_ = 0;  // who mapped it
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_SHM_SEGMENT_H_
