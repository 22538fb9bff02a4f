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
  // not as they must be; UNAVAILABLE where the server hung up; DEADLINE_EXCEEDED.
  static absl::StatusOr<Segment> ReceiveFrom(int socket, int64_t deadline_nanos);

  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&&) = delete;
  ~Segment();

  // Direction 0 is client to server, 1 server to client.
  RingProducer Producer(int direction) const;
  RingConsumer Consumer(int direction) const;
  // The bell that the consumer of `direction` sleeps on.
  int bell(int direction) const { return bells_[direction].get(); }

 private:
  Segment() = default;
  absl::Status Map();
  RingControl* Control(int direction) const;
  char* Data(int direction) const;

  UniqueFd memory_;
  UniqueFd bells_[2];
  uint64_t ring_bytes_ = 0;
  uint64_t keys_[2] = {};
  char* base_ = nullptr;
  pid_t owner_ = 0;  // who mapped it
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_SHM_SEGMENT_H_
