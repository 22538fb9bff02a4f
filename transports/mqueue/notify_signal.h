// NotifySignal: wakes a sleeper by mq_notify: the kernel sends this process a real-time signal when a message
// comes to an empty queue, and its handler makes a descriptor ready.
//
// Signals get lost: the limit of pending ones (RLIMIT_SIGPENDING) may be reached, somebody may block them or
// replace the handler. The descriptor is a timer's for that: it becomes ready in any case a tenth of a second
// after each Request, so that its owner looks at the queue.
#ifndef SIDECALL_TRANSPORTS_MQUEUE_NOTIFY_SIGNAL_H_
#define SIDECALL_TRANSPORTS_MQUEUE_NOTIFY_SIGNAL_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "transport/unique_fd.h"

namespace sidecall {

class NotifySignal {
 public:
  // Takes, for the process, the last real-time signal that has no handler yet. RESOURCE_EXHAUSTED where all
  // have one, or there are too many connections of this kind.
  static absl::StatusOr<std::unique_ptr<NotifySignal>> Make();
  ~NotifySignal();
  NotifySignal(const NotifySignal&) = delete;
  NotifySignal& operator=(const NotifySignal&) = delete;

  // Ready after a signal, or a tenth of a second after Request.
  int descriptor() const { return timer_.get(); }
  // Asks for a signal when `queue`, empty, gets a message: once. Look at the queue afterwards: what came
  // before is not told of.
  void Request(int queue) const;

 private:
  NotifySignal(size_t slot, UniqueFd timer) : slot_(slot), timer_(std::move(timer)) {}
  const size_t slot_;
  const UniqueFd timer_;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_MQUEUE_NOTIFY_SIGNAL_H_
