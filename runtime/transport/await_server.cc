#include "transport/await_server.h"

#include <algorithm>
#include <cerrno>

#include "transport/clock.h"
#include "transport/errno_status.h"

namespace sidecall {

absl::Status ServerHasGone() {
  return absl::UnavailableError("nobody listens (the server has gone). Start the server");
}

absl::Status AwaitServer::Until(const pollfd& item) const {
  std::vector<pollfd> items = {item, {.fd = cancel_descriptor, .events = POLLIN, .revents = 0}};
  items.insert(items.end(), ends.begin(), ends.end());
  for (;;) {
    const int64_t left = std::max<int64_t>(deadline_nanos - MonotonicNanos(), 0);
    const auto milliseconds = static_cast<int>(std::min<int64_t>((left + 999'999) / 1'000'000, 1'000'000));
    const int count = poll(items.data(), items.size(), milliseconds);
    if (count < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (count > 0 && items[0].revents != 0) return absl::OkStatus();
    if (count > 0 && items[1].revents != 0) return absl::CancelledError("nobody waits for it any more");
    if (count > 0) return ServerHasGone();
    if (left == 0) {
      return absl::DeadlineExceededError("the server does not accept connections (it did not answer)");
    }
  }
}

}  // namespace sidecall
