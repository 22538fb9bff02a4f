// A client's way to a server's listening queue.
#ifndef SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_CONNECT_H_
#define SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_CONNECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "transport/transport.h"
#include "transports/mqueue/queue_names.h"

namespace sidecall {

struct MqueueOptions {
  // Of each of the two queues of a connection.
  size_t messages = 10;
  size_t message_bytes = 8192;
  bool wakeup_by_signal = false;
};

// Arguments and errors as Transport::Connect.
absl::StatusOr<std::unique_ptr<Connection>> ConnectMqueue(const QueueNames& names,
                                                          const MqueueOptions& options,
                                                          int64_t deadline_nanos, int cancel_descriptor);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_CONNECT_H_
