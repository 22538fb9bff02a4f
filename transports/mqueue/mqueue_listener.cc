#include "transports/mqueue/mqueue_listener.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "transport/connection_names.h"
#include "transport/errno_status.h"
#include "transport/path_lock.h"
#include "transports/mqueue/mqueue_connection.h"

namespace sidecall {
namespace {

constexpr size_t kWaitingRequests = 10;

absl::Status SayOf(const QueueNames& names, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("listen at ", names.listening, ": ", why.message()));
}

// Removes what a dead server left, if anything. Errors: ALREADY_EXISTS, PERMISSION_DENIED.
absl::Status TakeOver(const QueueNames& names) {
  const absl::Status owner = OwnerOf(names.OwnerFile(), S_IFREG).status();
  if (owner.ok()) {
    return absl::AlreadyExistsError(
        "a live server listens there (this one, perhaps, at the same address twice). Stop it, or choose "
        "another name");
  }
  if (!absl::IsUnavailable(owner) && !absl::IsNotFound(owner)) return owner;
  // Another user's queue cannot be removed, and is not to be used.
  const absl::Status queue = MessageQueue::Open(names.listening, O_RDONLY).status();
  if (absl::IsPermissionDenied(queue)) return queue;
  mq_unlink(names.listening.c_str());
  names.RemoveDeadConnections();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> MqueueListener::Listen(const QueueNames& names,
                                                                 bool wakeup_by_signal) {
  if (wakeup_by_signal) {
    // Known now rather than with the first client.
    absl::Status signal = NotifySignal::Make().status();
    if (!signal.ok()) return SayOf(names, signal);
  }
  RemoveDeadServers();
  auto lock = PathLock::Take(names.files);
  if (!lock.ok()) return SayOf(names, lock.status());
  absl::Status free = TakeOver(names);
  if (!free.ok()) return SayOf(names, free);
  auto owner = MakeOwnedFile(names.OwnerFile());
  if (!owner.ok()) return SayOf(names, owner.status());
  auto queue = MessageQueue::Create(names.listening, O_RDWR, kWaitingRequests, kLongestRequest);
  if (!queue.ok()) {
    unlink(names.OwnerFile().c_str());
    return SayOf(names, queue.status());
  }
  return std::unique_ptr<Listener>(
      new MqueueListener(names, wakeup_by_signal, *std::move(queue), *std::move(owner)));
}

MqueueListener::~MqueueListener() {
  if (getpid() != process_) return;
  auto lock = PathLock::Take(names_.files);
  // Without the lock the next server takes over what is left.
  if (lock.ok() && HasName(owner_->file(), names_.OwnerFile())) {
    mq_unlink(names_.listening.c_str());
    unlink(names_.OwnerFile().c_str());
  }
  // Who has sent its request before the names went waits for an answer: its life line is opened, and closed.
  // Who comes later finds that they have gone; so no more are read than there can have been.
  for (size_t i = 0; i <= kWaitingRequests && HasRequest(); i++) {
    (void)Meet();
    request_.clear();
  }
  names_.RemoveDeadConnections();
}

bool MqueueListener::HasRequest() {
  if (!request_.empty()) return true;
  std::array<char, kLongestRequest> bytes;
  static_assert(kLongestRequest >= kQueueRequest.size() + kLongestConnectionName);
  const ssize_t size = queue_.Receive(bytes.data(), bytes.size());
  if (size >= 0) request_.assign(bytes.data(), static_cast<size_t>(size));
  return size >= 0;
}

absl::StatusOr<std::unique_ptr<Connection>> MqueueListener::Accept() {
  if (!HasRequest()) {
    names_.RemoveDeadConnections();
    return nullptr;
  }
  auto connection = Meet();
  // Asked again when there are descriptors.
  if (!absl::IsResourceExhausted(connection.status())) request_.clear();
  return connection;
}

absl::StatusOr<std::unique_ptr<Connection>> MqueueListener::Meet() {
  const std::string_view request = request_;
  const std::string_view name =
      request.starts_with(kQueueRequest) ? request.substr(kQueueRequest.size()) : std::string_view();
  if (!IsConnectionName(name)) {
    return absl::InvalidArgumentError(absl::StrCat(names_.listening, ": somebody sent ", request.size(),
                                                   " bytes to it that are no request"));
  }
  const absl::Status left = absl::UnavailableError("the client has left");
  auto client = OwnerOf(names_.LifeLine(name), S_IFIFO);
  if (absl::IsNotFound(client.status())) return left;
  if (absl::IsUnavailable(client.status())) names_.RemoveConnection(name);
  if (!client.ok()) return client.status();
  MqueueEnds ends;
  ends.life_line =
      UniqueFd(open(names_.LifeLine(name).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!ends.life_line.valid()) {
    return errno == ENOENT || errno == ENXIO ? left : ErrnoStatus(errno, "open the life line of a client");
  }
  auto in = MessageQueue::Open(names_.ToServer(name), O_RDONLY);
  auto out = in.ok() ? MessageQueue::Open(names_.ToClient(name), O_WRONLY) : in.status();
  if (absl::IsNotFound(out.status())) return left;
  if (!out.ok()) return out.status();
  ends.in = *std::move(in);
  ends.out = *std::move(out);
  ends.peer = client->identity;
  ends.peer_process = std::move(client->process);
  if (ends.out.message_bytes() < kSmallestMessage) {
    return absl::InvalidArgumentError(absl::StrCat(
        names_.listening, ": a client brought a queue for messages of ", ends.out.message_bytes(), " bytes"));
  }
  if (wakeup_by_signal_) {
    auto signal = NotifySignal::Make();
    if (!signal.ok()) return signal.status();
    ends.signal = *std::move(signal);
  }
  const int welcome = ends.out.descriptor();
  auto connection = MqueueConnection::Make(std::move(ends));
  if (!connection.ok()) return connection.status();
  names_.RemoveConnection(name);
  // It is to come before the first frames, those of the control lane among them.
  if (mq_send(welcome, kQueueWelcome.data(), kQueueWelcome.size(), kWelcomePriority) != 0) return left;
  return connection;
}

}  // namespace sidecall
