// MqueueListener: a server's listening queue, from which it receives who wants to connect.
#ifndef SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_LISTENER_H_
#define SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_LISTENER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "transport/owner_lock.h"
#include "transport/transport.h"
#include "transports/mqueue/message_queue.h"
#include "transports/mqueue/queue_names.h"

namespace sidecall {

class MqueueListener final : public Listener {
 public:
  // Makes the queue, in place of one whose server has died. Errors as Transport::Listen, and
  // RESOURCE_EXHAUSTED with the limit that is reached.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(const QueueNames& names, bool wakeup_by_signal);
  ~MqueueListener() override;

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override;
  int descriptor() const override { return queue_.descriptor(); }

 private:
  MqueueListener(QueueNames names, bool wakeup_by_signal, MessageQueue queue,
                 std::unique_ptr<OwnerLock> owner)
      : names_(std::move(names)),
        wakeup_by_signal_(wakeup_by_signal),
        queue_(std::move(queue)),
        owner_(std::move(owner)),
        process_(getpid()) {}

  // Receives the next request, where none waits already. False where there is none.
  bool HasRequest();
  absl::StatusOr<std::unique_ptr<Connection>> Meet();

  const QueueNames names_;
  const bool wakeup_by_signal_;  // of its connections
  const MessageQueue queue_;
  const std::unique_ptr<OwnerLock> owner_;
  const pid_t process_;
  std::string request_;  // received, and not answered yet
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_LISTENER_H_
