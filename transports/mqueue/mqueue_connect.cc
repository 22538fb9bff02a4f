#include "transports/mqueue/mqueue_connect.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transport/await_server.h"
#include "transport/connection_names.h"
#include "transport/errno_status.h"
#include "transport/owner_lock.h"
#include "transports/mqueue/mqueue_connection.h"

namespace sidecall {
namespace {

class MqueueConnector {
 public:
  MqueueConnector(const QueueNames& names, const MqueueOptions& options, int64_t deadline_nanos,
                  int cancel_descriptor)
      : names_(names),
        options_(options),
        deadline_nanos_(deadline_nanos),
        cancel_descriptor_(cancel_descriptor) {}
  ~MqueueConnector() {
    if (!name_.empty()) names_.RemoveConnection(name_);
  }
  MqueueConnector(const MqueueConnector&) = delete;
  MqueueConnector& operator=(const MqueueConnector&) = delete;

  absl::StatusOr<std::unique_ptr<Connection>> Connect() {
    for (const auto step :
         {&MqueueConnector::FindServer, &MqueueConnector::MakeSignal, &MqueueConnector::MakeQueues,
          &MqueueConnector::SendRequest, &MqueueConnector::AwaitWelcome}) {
      const absl::Status done = (this->*step)();
      if (done.ok()) continue;
      return absl::Status(done.code(), absl::StrCat("connect to ", names_.listening, ": ", done.message()));
    }
    return MqueueConnection::Make(std::move(ends_));
  }

 private:
  absl::Status FindServer() {
    struct stat owner {};
    const bool named = lstat(names_.OwnerFile().c_str(), &owner) == 0;
    auto server = OwnerOf(names_.OwnerFile(), S_IFREG);
    if (absl::IsUnavailable(server.status())) return ServerHasGone();
    if (!server.ok() && !absl::IsNotFound(server.status())) return server.status();
    auto queue = MessageQueue::Open(names_.listening, O_WRONLY);
    if (absl::IsNotFound(queue.status()) || (queue.ok() && (!named || !server.ok()))) {
      return absl::UnavailableError("nothing is there. Start the server, or check the address");
    }
    if (!queue.ok()) return queue.status();
    listening_ = *std::move(queue);
    owner_inode_ = owner.st_ino;
    ends_.peer = server->identity;
    ends_.peer_process = std::move(server->process);
    return absl::OkStatus();
  }

  absl::Status MakeSignal() {
    if (!options_.wakeup_by_signal) return absl::OkStatus();
    auto signal = NotifySignal::Make();
    if (signal.ok()) ends_.signal = *std::move(signal);
    return signal.status();
  }

  absl::Status MakeQueues() {
    const auto make = [this](const std::string& name) {
      absl::Status made = MakeLifeLineAndQueues(name);
      if (!made.ok() && !name_.empty()) names_.RemoveConnection(std::exchange(name_, {}));
      return made;
    };
    absl::Status made = MakeUnderFreeName(make);
    if (!absl::IsResourceExhausted(made)) return made;
    // What the dead left may be what there is too much of; a server removes it only when somebody connects.
    names_.RemoveDeadConnections();
    RemoveDeadServers();
    return MakeUnderFreeName(make);
  }

  absl::Status MakeLifeLineAndQueues(const std::string& name) {
    const std::string path = names_.LifeLine(name);
    auto lock = MakeOwnedFifo(path);
    if (!lock.ok()) return lock.status();
    name_ = name;
    // Its file is open for writing as well: the life line does not end before the server has come.
    lock_ = *std::move(lock);
    ends_.life_line = UniqueFd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!ends_.life_line.valid()) return ErrnoStatus(errno, "open " + path);
    auto out =
        MessageQueue::Create(names_.ToServer(name), O_WRONLY, options_.messages, options_.message_bytes);
    if (!out.ok()) return out.status();
    auto in =
        MessageQueue::Create(names_.ToClient(name), O_RDONLY, options_.messages, options_.message_bytes);
    if (!in.ok()) return in.status();
    ends_.out = *std::move(out);
    ends_.in = *std::move(in);
    return absl::OkStatus();
  }

  absl::Status SendRequest() {
    const std::string request =
        absl::StrCat(absl::string_view(kQueueRequest.data(), kQueueRequest.size()), name_);
    while (listening_.Send(request.data(), request.size(), 0) != 0) {
      if (errno != EAGAIN) return ErrnoStatus(errno, "send to it");
      absl::Status waited = Wait(listening_.descriptor(), POLLOUT);
      if (!waited.ok()) return waited;
    }
    // Where the name is still there, the request was sent before a server that goes answers its last ones.
    struct stat there {};
    if (lstat(names_.OwnerFile().c_str(), &there) != 0 || there.st_ino != owner_inode_)
      return ServerHasGone();
    return absl::OkStatus();
  }

  absl::Status AwaitWelcome() {
    std::vector<char> welcome(ends_.in.message_bytes());
    for (;;) {
      absl::Status waited = Wait(ends_.in.descriptor(), POLLIN);
      if (!waited.ok()) return waited;
      const ssize_t size = ends_.in.Receive(welcome.data(), welcome.size());
      if (size < 0 && errno == EAGAIN) continue;
      if (size < 0) return ErrnoStatus(errno, "receive from it");
      if (std::string_view(welcome.data(), static_cast<size_t>(size)) == kQueueWelcome)
        return absl::OkStatus();
      return absl::UnavailableError("what answers there is no server of this version. Build both anew");
    }
  }

  absl::Status Wait(int fd, short events) const {
    const AwaitServer wait{.deadline_nanos = deadline_nanos_,
                           .cancel_descriptor = cancel_descriptor_,
                           .ends = {pollfd{.fd = ends_.peer_process.get(), .events = POLLIN, .revents = 0}}};
    return wait.Until({.fd = fd, .events = events, .revents = 0});
  }

  const QueueNames& names_;
  const MqueueOptions options_;
  const int64_t deadline_nanos_;
  const int cancel_descriptor_;
  MessageQueue listening_;
  ino_t owner_inode_ = 0;
  std::string name_;  // of the connection
  std::unique_ptr<OwnerLock> lock_;
  MqueueEnds ends_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ConnectMqueue(const QueueNames& names,
                                                          const MqueueOptions& options,
                                                          int64_t deadline_nanos, int cancel_descriptor) {
  return MqueueConnector(names, options, deadline_nanos, cancel_descriptor).Connect();
}

}  // namespace sidecall
