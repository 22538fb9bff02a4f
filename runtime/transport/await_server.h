// A client's wait for a server's answer, where no system call knows of both a deadline and the server's
// death.
#ifndef SIDECALL_TRANSPORT_AWAIT_SERVER_H_
#define SIDECALL_TRANSPORT_AWAIT_SERVER_H_

#include <poll.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace sidecall {

struct AwaitServer {
  int64_t deadline_nanos = 0;  // as MonotonicNanos
  int cancel_descriptor = -1;
  // Ready, with an error or not, once the server has gone.
  std::vector<pollfd> ends{};

  // OK once `item` is ready. UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED: why there is nothing to wait for.
  absl::Status Until(const pollfd& item) const;
};

// UNAVAILABLE, with the mend.
absl::Status ServerHasGone();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_AWAIT_SERVER_H_
