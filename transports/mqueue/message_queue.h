// MessageQueue: an open POSIX message queue. Its descriptor can be polled, as Linux has it.
#ifndef SIDECALL_TRANSPORTS_MQUEUE_MESSAGE_QUEUE_H_
#define SIDECALL_TRANSPORTS_MQUEUE_MESSAGE_QUEUE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "transport/unique_fd.h"

namespace sidecall {

class MessageQueue {
 public:
  MessageQueue() = default;
  // Makes the queue `name` ("/hello") for this user alone, with up to `messages` messages of up to
  // `message_bytes`: less where the system's limits are lower. `flags`: O_RDONLY, O_WRONLY or O_RDWR.
  // ALREADY_EXISTS; INVALID_ARGUMENT where the kernel takes no such queue, RESOURCE_EXHAUSTED where a limit
  // is reached, both with the mend.
  static absl::StatusOr<MessageQueue> Create(const std::string& name, int flags, size_t messages,
                                             size_t message_bytes);
  // NOT_FOUND; PERMISSION_DENIED where another user made it; RESOURCE_EXHAUSTED.
  static absl::StatusOr<MessageQueue> Open(const std::string& name, int flags);

  int descriptor() const { return queue_.get(); }
  size_t message_bytes() const { return message_bytes_; }

  // Whether no message is in it now.
  bool empty() const;
  // -1 with errno: EAGAIN where it is full. Messages of a higher priority overtake others.
  int Send(const char* bytes, size_t size, unsigned priority) const;
  // Its size; -1 with errno: EAGAIN where it is empty. `size`: at least message_bytes().
  ssize_t Receive(char* bytes, size_t size) const;

 private:
  explicit MessageQueue(UniqueFd queue) : queue_(std::move(queue)) {}
  // Asks the kernel whose it is, and how large its messages are.
  static absl::StatusOr<MessageQueue> Look(UniqueFd queue, const std::string& name);

  UniqueFd queue_;
  size_t message_bytes_ = 0;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_MQUEUE_MESSAGE_QUEUE_H_
