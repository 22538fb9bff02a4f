// StreamEnd: one end of a pair of byte streams (a socket, two pipes, two message queues) that carries
// length-prefixed messages through reused buffers, with one write(2) a message and as few read(2)s as there
// can be.
//
// A polling end holds non-blocking descriptors and tries again at once. Thread-safety: one thread.
#ifndef SIDECALL_BENCHMARKS_FLOORS_STREAM_END_H_
#define SIDECALL_BENCHMARKS_FLOORS_STREAM_END_H_

#include <sys/types.h>

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "echo.pb.h"
#include "vector_copy.h"

namespace bench {

class StreamEnd {
 public:
  // What stands for read(2) and write(2).
  struct Calls {
    ssize_t (*read)(int fd, void* bytes, size_t size);
    ssize_t (*write)(int fd, const void* bytes, size_t size);
  };

  // Does not own the descriptors, which may be one and the same.
  StreamEnd(int in, int out, const Calls& calls) : in_(in), out_(out), calls_(calls) {}

  // Errors: those of write(2).
  absl::Status Send(const EchoMessage& message) { return Send(message, false); }
  // `more`: it may wait for others, until kBurst bytes are there.
  absl::Status Send(const EchoMessage& message, bool more);
  // Errors: UNAVAILABLE where the other end is closed; those of read(2).
  absl::Status Receive(EchoMessage* message);
  // Whether Receive has the next message at hand.
  bool HasMessage() const;

 private:
  absl::Status ReadMore();

  const int in_;
  const int out_;
  const Calls calls_;
  ShiftingBuffer sent_;
  size_t burst_ = 0;  // bytes in sent_ that wait
  ShiftingBuffer received_;
  char* unread_ = nullptr;  // in received_, where bytes are left over from one message to the next
  size_t used_ = 0;
  size_t have_ = 0;
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_STREAM_END_H_
