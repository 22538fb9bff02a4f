#include "transports/pipe/fifo_connect.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "absl/strings/str_cat.h"
#include "transport/await_server.h"
#include "transport/connection_names.h"
#include "transport/errno_status.h"
#include "transport/owner_lock.h"
#include "transport/pipe_stream.h"
#include "transports/pipe/fifo_names.h"

namespace sidecall {
namespace {

class FifoConnector {
 public:
  FifoConnector(const std::string& path, int64_t deadline_nanos, int cancel_descriptor)
      : path_(path), deadline_nanos_(deadline_nanos), cancel_descriptor_(cancel_descriptor) {}
  ~FifoConnector() {
    if (!name_.empty()) RemoveFifos(path_, name_);
  }
  FifoConnector(const FifoConnector&) = delete;
  FifoConnector& operator=(const FifoConnector&) = delete;

  absl::StatusOr<std::unique_ptr<Connection>> Connect() {
    for (const auto step : {&FifoConnector::FindServer, &FifoConnector::MakeFifos,
                            &FifoConnector::WriteRequest, &FifoConnector::AwaitWelcome}) {
      const absl::Status done = (this->*step)();
      if (done.ok()) continue;
      return absl::Status(done.code(), absl::StrCat("connect to ", path_, ": ", done.message()));
    }
    auto stream = PipeStream::Make(std::move(in_), std::move(out_));
    if (!stream.ok()) return stream.status();
    return std::make_unique<ByteStreamConnection>(*std::move(stream), server_.identity,
                                                  std::move(server_.process));
  }

 private:
  absl::Status FindServer() {
    if (lstat(path_.c_str(), &rendezvous_file_) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) return ErrnoStatus(errno, "look at it");
      return absl::UnavailableError("nothing is there. Start the server, or check the address");
    }
    if (!S_ISFIFO(rendezvous_file_.st_mode)) {
      return absl::UnavailableError("a file that is no FIFO is there. Check the address");
    }
    if (rendezvous_file_.st_uid != geteuid()) {
      return absl::PermissionDeniedError(
          absl::StrCat("the FIFO there was made by uid ", rendezvous_file_.st_uid, ", and this is uid ",
                       geteuid(), ": over pipes both must be of one user. Use unix: or shm: between users"));
    }
    auto server = OwnerOf(OwnerFileOf(path_), S_IFREG);
    if (absl::IsUnavailable(server.status()) || absl::IsNotFound(server.status())) return ServerHasGone();
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    rendezvous_ = UniqueFd(open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (rendezvous_.valid()) return absl::OkStatus();
    if (errno == ENXIO || errno == ENOENT) return ServerHasGone();
    return ErrnoStatus(errno, "open it");
  }

  absl::Status MakeFifos() {
    absl::Status made = MakeUnderFreeName([this](const std::string& name) { return MakeFifosOf(name); });
    if (!made.ok()) return made;
    in_ = UniqueFd(open(ToClient(path_, name_).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!in_.valid()) return ErrnoStatus(errno, "open a FIFO");
    return absl::OkStatus();
  }

  absl::Status MakeFifosOf(const std::string& name) {
    auto lock = MakeOwnedFifo(ToServer(path_, name));
    if (!lock.ok()) return lock.status();
    unlink(ToClient(path_, name).c_str());
    if (mkfifo(ToClient(path_, name).c_str(), 0600) != 0) {
      absl::Status why = ErrnoStatus(errno, "make " + ToClient(path_, name));
      RemoveFifos(path_, name);
      return why;
    }
    name_ = name;
    // Its file is open for reading as well: it is there before the server reads, and never breaks under a
    // write.
    lock_ = *std::move(lock);
    return absl::OkStatus();
  }

  absl::Status WriteRequest() {
    std::string request =
        absl::StrCat(absl::string_view(kFifoRequest.data(), kFifoRequest.size()), name_, "\n");
    static_assert(kFifoRequest.size() + kLongestConnectionName < PIPE_BUF);
    const iovec piece{.iov_base = request.data(), .iov_len = request.size()};
    while (WriteWithoutSignal(rendezvous_.get(), &piece, 1) < 0) {
      if (errno == EPIPE) return ServerHasGone();
      if (errno != EAGAIN && errno != EINTR) return ErrnoStatus(errno, "write to it");
      absl::Status waited = Wait(rendezvous_.get(), POLLOUT);
      if (!waited.ok()) return waited;
    }
    // Where the name is still there, the request was written before a server that goes reads its last ones.
    struct stat there {};
    if (lstat(path_.c_str(), &there) != 0 || there.st_ino != rendezvous_file_.st_ino) return ServerHasGone();
    return absl::OkStatus();
  }

  absl::Status AwaitWelcome() {
    std::array<char, kFifoWelcome.size()> welcome{};
    for (;;) {
      absl::Status waited = Wait(in_.get(), POLLIN);
      if (!waited.ok()) return waited;
      const ssize_t count = read(in_.get(), welcome.data(), welcome.size());
      if (count == 0) return ServerHasGone();
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (count < 0) return ErrnoStatus(errno, "read from it");
      if (std::string_view(welcome.data(), static_cast<size_t>(count)) == kFifoWelcome) {
        // Another descriptor of the FIFO that the lock is on: the lock's own is closed with it.
        out_ = UniqueFd(fcntl(lock_->file(), F_DUPFD_CLOEXEC, 3));
        return out_.valid() ? absl::OkStatus() : ErrnoStatus(errno, "fcntl");
      }
      return absl::UnavailableError("what answers there is no server of this version. Build both anew");
    }
  }

  absl::Status Wait(int fd, short events) const {
    const AwaitServer wait{.deadline_nanos = deadline_nanos_,
                           .cancel_descriptor = cancel_descriptor_,
                           .ends = {pollfd{.fd = server_.process.get(), .events = POLLIN, .revents = 0},
                                    pollfd{.fd = rendezvous_.get(), .events = 0, .revents = 0}}};
    return wait.Until({.fd = fd, .events = events, .revents = 0});
  }

  const std::string& path_;
  const int64_t deadline_nanos_;
  const int cancel_descriptor_;
  struct stat rendezvous_file_ {};
  FileOwner server_;
  UniqueFd rendezvous_;
  std::string name_;  // of the connection
  std::unique_ptr<OwnerLock> lock_;
  UniqueFd in_;
  UniqueFd out_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ConnectFifo(const std::string& path, int64_t deadline_nanos,
                                                        int cancel_descriptor) {
  return FifoConnector(path, deadline_nanos, cancel_descriptor).Connect();
}

}  // namespace sidecall
