#include "transports/mqueue/message_queue.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

// Of all users but those with CAP_SYS_RESOURCE.
size_t SystemLimit(const std::string& name, size_t otherwise) {
  std::ifstream file("/proc/sys/fs/mqueue/" + name);
  size_t value = 0;
  return file >> value && value > 0 ? value : otherwise;
}

std::string LimitOfUser() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MSGQUEUE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "no limit";
  return absl::StrCat(limit.rlim_cur, " bytes");
}

// As the kernel counts it: for each message its bytes, and what finds it.
size_t BytesOfQueue(size_t messages, size_t message_bytes) {
  constexpr size_t kOfEachMessage = 96;
  return messages * (message_bytes + kOfEachMessage);
}

// The kernel says EMFILE of too many descriptors as well.
bool HasDescriptorLeft() {
  return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)).valid();
}

absl::Status MakeError(int error, const std::string& name, size_t messages, size_t message_bytes) {
  const std::string what = absl::StrCat("make the message queue ", name);
  switch (error) {
    case EMFILE:
      if (!HasDescriptorLeft()) return ErrnoStatus(error, what);
      return absl::ResourceExhaustedError(absl::StrCat(
          what, ": the queues of uid ", geteuid(), " hold as much as its limit allows (", LimitOfUser(),
          "; this one of ", messages, " messages of ", message_bytes, " bytes takes some ",
          BytesOfQueue(messages, message_bytes),
          "). Raise that limit (ulimit -q, LimitMSGQUEUE= in a systemd unit), make the queues smaller "
          "(?messages=, ?message_bytes=), or close connections"));
    case ENOSPC:
      return absl::ResourceExhaustedError(
          absl::StrCat(what, ": the system has its ", SystemLimit("queues_max", 256),
                       " message queues already. Raise fs.mqueue.queues_max"));
    case EINVAL:
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": the kernel takes no queue of ", messages, " messages of ", message_bytes,
                       " bytes. Its limits: fs.mqueue.msg_max ", SystemLimit("msg_max", 10),
                       ", fs.mqueue.msgsize_max ", SystemLimit("msgsize_max", 8192)));
    case ENOSYS:
      return ErrnoStatus(error, what, "This kernel has no message queues: use another transport");
    default:
      return ErrnoStatus(error, what);
  }
}

}  // namespace

absl::StatusOr<MessageQueue> MessageQueue::Look(UniqueFd queue, const std::string& name) {
  struct stat made {};
  mq_attr attributes{};
  if (fstat(queue.get(), &made) != 0 || mq_getattr(queue.get(), &attributes) != 0) {
    return ErrnoStatus(errno, "look at the message queue " + name);
  }
  if (made.st_uid != geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the message queue ", name, " was made by uid ", made.st_uid, ", and this is uid ",
                     geteuid(), ": over mqueue both must be of one user. Use unix: or shm: between users"));
  }
  MessageQueue looked_at(std::move(queue));
  looked_at.message_bytes_ = static_cast<size_t>(attributes.mq_msgsize);
  return looked_at;
}

absl::StatusOr<MessageQueue> MessageQueue::Create(const std::string& name, int flags, size_t messages,
                                                  size_t message_bytes) {
  mq_attr wanted{};
  wanted.mq_maxmsg = static_cast<long>(std::min(messages, SystemLimit("msg_max", 10)));
  wanted.mq_msgsize = static_cast<long>(std::min(message_bytes, SystemLimit("msgsize_max", 8192)));
  UniqueFd queue(
      mq_open(name.c_str(), flags | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, mode_t{0600}, &wanted));
  if (!queue.valid()) {
    return MakeError(errno, name, static_cast<size_t>(wanted.mq_maxmsg),
                     static_cast<size_t>(wanted.mq_msgsize));
  }
  return Look(std::move(queue), name);
}

absl::StatusOr<MessageQueue> MessageQueue::Open(const std::string& name, int flags) {
  UniqueFd queue(mq_open(name.c_str(), flags | O_NONBLOCK | O_CLOEXEC));
  if (queue.valid()) return Look(std::move(queue), name);
  if (errno == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat("the message queue ", name, " is another user's, and this is uid ", geteuid(),
                     ": over mqueue both must be of one user. Use unix: or shm: between users"));
  }
  return ErrnoStatus(errno, "open the message queue " + name);
}

bool MessageQueue::empty() const {
  mq_attr attributes{};
  return mq_getattr(queue_.get(), &attributes) != 0 || attributes.mq_curmsgs == 0;
}

int MessageQueue::Send(const char* bytes, size_t size, unsigned priority) const {
  int sent = 0;
  do {
    sent = mq_send(queue_.get(), bytes, size, priority);
  } while (sent != 0 && errno == EINTR);
  return sent;
}

ssize_t MessageQueue::Receive(char* bytes, size_t size) const {
  ssize_t received = 0;
  do {
    received = mq_receive(queue_.get(), bytes, size, nullptr);
  } while (received < 0 && errno == EINTR);
  return received;
}

}  // namespace sidecall
