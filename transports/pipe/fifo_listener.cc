#include "transports/pipe/fifo_listener.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "absl/strings/str_cat.h"
#include "transport/connection_names.h"
#include "transport/errno_status.h"
#include "transport/path_lock.h"
#include "transport/pipe_stream.h"
#include "transports/pipe/fifo_names.h"

namespace sidecall {
namespace {

absl::Status SayOf(const std::string& path, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("listen at ", path, ": ", why.message()));
}

// Whether a server may listen at `path`: nothing is there, or what a dead one left.
absl::Status CheckIsFree(const std::string& path) {
  struct stat there {};
  if (lstat(path.c_str(), &there) != 0) return absl::OkStatus();
  if (!S_ISFIFO(there.st_mode)) {
    return absl::AlreadyExistsError("a file that is no FIFO is there. Remove it, or choose another address");
  }
  if (there.st_uid != geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat("a FIFO of uid ", there.st_uid,
                                                    " is there. Choose a directory that only this user may "
                                                    "write to"));
  }
  const absl::Status owner = OwnerOf(OwnerFileOf(path), S_IFREG).status();
  if (absl::IsUnavailable(owner) || absl::IsNotFound(owner)) return absl::OkStatus();
  if (!owner.ok()) return owner;
  return absl::AlreadyExistsError(
      "a live server listens there (this one, perhaps, at the same address twice). Stop it, or choose "
      "another address");
}

bool IsOwnFifo(int descriptor) {
  struct stat made {};
  return fstat(descriptor, &made) == 0 && S_ISFIFO(made.st_mode) && made.st_uid == geteuid();
}

// Has the name `path` once it is open. Clients find it complete, or not at all.
absl::StatusOr<UniqueFd> MakeRendezvous(const std::string& path) {
  const std::string unopened = path + ".new";
  unlink(unopened.c_str());
  if (mkfifo(unopened.c_str(), 0600) != 0) return ErrnoStatus(errno, "make a FIFO");
  // Open for writing as well, so that it does not end when a client has written and left.
  UniqueFd fifo(open(unopened.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  const bool named = fifo.valid() && rename(unopened.c_str(), path.c_str()) == 0;
  const int error = errno;
  if (named) return fifo;
  unlink(unopened.c_str());
  return ErrnoStatus(error, "open or rename a FIFO");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> FifoListener::Listen(const std::string& path) {
  auto lock = PathLock::Take(path);
  if (!lock.ok()) return SayOf(path, lock.status());
  absl::Status is_free = CheckIsFree(path);
  if (!is_free.ok()) return SayOf(path, is_free);
  auto owner = MakeOwnedFile(OwnerFileOf(path));
  if (!owner.ok()) return SayOf(path, owner.status());
  auto fifo = MakeRendezvous(path);
  if (!fifo.ok()) {
    unlink(OwnerFileOf(path).c_str());
    return SayOf(path, fifo.status());
  }
  RemoveDeadFifos(path);
  return std::unique_ptr<Listener>(new FifoListener(path, *std::move(fifo), *std::move(owner)));
}

FifoListener::~FifoListener() {
  if (getpid() != process_) return;
  auto lock = PathLock::Take(path_);
  // Without the lock the next server takes over what is left.
  if (lock.ok() && HasName(fifo_.get(), path_)) {
    unlink(path_.c_str());
    unlink(OwnerFileOf(path_).c_str());
  }
  // Who has written its request before the name went waits for an answer: its FIFO is opened, and closed. Who
  // comes later finds that the name has gone; so what is there now is read, and no more.
  int waiting = 0;
  ioctl(fifo_.get(), FIONREAD, &waiting);
  for (; waiting > 0 && ReadRequests(); waiting -= PIPE_BUF) continue;
  for (; const auto request = FirstRequest(); RemoveFirstRequest()) (void)Meet(*request);
  RemoveDeadFifos(path_);
}

bool FifoListener::ReadRequests() {
  std::array<char, PIPE_BUF> bytes;
  ssize_t count = 0;
  do {
    count = read(fifo_.get(), bytes.data(), bytes.size());
  } while (count < 0 && errno == EINTR);
  if (count > 0) requests_.append(bytes.data(), static_cast<size_t>(count));
  return count > 0;
}

std::optional<std::string_view> FifoListener::FirstRequest() const {
  const size_t end = requests_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  return std::string_view(requests_).substr(0, end);
}

absl::StatusOr<std::unique_ptr<Connection>> FifoListener::Accept() {
  // What was written at once is whole after the second read, wherever the first one cut it.
  for (int reads = 0; !FirstRequest().has_value(); reads++) {
    if (reads == 2) {
      if (requests_.size() > PIPE_BUF) requests_.erase(0, requests_.size() - PIPE_BUF);
      return absl::InvalidArgumentError(path_ + ": somebody writes to it what is no request");
    }
    if (ReadRequests()) continue;
    RemoveDeadFifos(path_);
    return nullptr;
  }
  auto connection = Meet(*FirstRequest());
  // Asked again when there are descriptors.
  if (!absl::IsResourceExhausted(connection.status())) RemoveFirstRequest();
  return connection;
}

absl::StatusOr<std::unique_ptr<Connection>> FifoListener::Meet(std::string_view line) {
  // Before it there may be what another wrote that ended no line.
  const size_t begin = line.rfind(kFifoRequest);
  const std::string_view name =
      begin == std::string_view::npos ? std::string_view() : line.substr(begin + kFifoRequest.size());
  if (!IsConnectionName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": somebody wrote ", line.size(), " bytes to it that are no request"));
  }
  const std::string to_server = ToServer(path_, name);
  const std::string to_client = ToClient(path_, name);
  auto client = OwnerOf(to_server, S_IFIFO);
  if (absl::IsNotFound(client.status())) return absl::UnavailableError("the client has left");
  if (absl::IsUnavailable(client.status())) RemoveFifos(path_, name);
  if (!client.ok()) return client.status();
  UniqueFd in(open(to_server.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  // For reading as well: so it never breaks under a write.
  UniqueFd out(open(to_client.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!in.valid() || !out.valid()) {
    if (errno == ENOENT || errno == ENXIO) return absl::UnavailableError("the client has left");
    return ErrnoStatus(errno, "open the FIFOs of a client");
  }
  // What has the names by now may be another's.
  if (!IsOwnFifo(in.get()) || !IsOwnFifo(out.get())) {
    return absl::PermissionDeniedError(
        absl::StrCat(path_, ".", std::string(name), ": the FIFOs of that name are not of this user"));
  }
  auto stream = PipeStream::Make(std::move(in), std::move(out));
  if (!stream.ok()) return stream.status();
  RemoveFifos(path_, name);
  const iovec welcome{.iov_base = const_cast<char*>(kFifoWelcome.data()), .iov_len = kFifoWelcome.size()};
  if ((*stream)->Write(&welcome, 1) != static_cast<ssize_t>(kFifoWelcome.size())) {
    return absl::UnavailableError("the client has left");
  }
  return std::make_unique<ByteStreamConnection>(*std::move(stream), client->identity,
                                                std::move(client->process));
}

}  // namespace sidecall
