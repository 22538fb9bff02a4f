#include "transport/unix_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/path_lock.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5
#endif

namespace sidecall {
namespace {

absl::StatusOr<UnixSocketAddress> Fill(std::string_view bytes, std::string_view what, std::string_view mend) {
  UnixSocketAddress result;
  result.address.sun_family = AF_UNIX;
  // A path needs its terminating zero; an abstract name begins with one. Either way one byte is gone.
  if (bytes.size() >= sizeof result.address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(what), " of ", bytes.size(), " bytes does not fit into a socket address, which holds ",
        sizeof result.address.sun_path - 1, ". ", std::string(mend)));
  }
  return result;
}

UniqueFd NewSocket(int flags) {
  return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

const sockaddr* Generic(const UnixSocketAddress& address) {
  return reinterpret_cast<const sockaddr*>(&address.address);
}

bool IsNoSocket(const UnixSocketAddress& address) {
  struct stat there {};
  return !address.path.empty() && stat(address.path.c_str(), &there) == 0 && !S_ISSOCK(there.st_mode);
}

std::string Relative(const UnixSocketAddress& address) {
  if (address.path.empty() || address.path.front() == '/') return "";
  return " (the path is taken from the working directory, the server's and the client's own)";
}

absl::Status ConnectError(int error, const UnixSocketAddress& address) {
  const std::string where = absl::StrCat("connect to ", address.ToString());
  switch (error) {
    case ENOENT:
      return absl::UnavailableError(absl::StrCat(
          where, ": nothing is there. Start the server, or check the address", Relative(address)));
    case ECONNREFUSED:
      return absl::UnavailableError(absl::StrCat(
          where, IsNoSocket(address) ? ": a file that is no socket is there. Check the address"
                                     : ": nobody listens (the server has gone). Start the server"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat(where, ": uid ", geteuid(),
                       " may not write to it. Ask its owner for access, or run as a user "
                       "who has it"));
    case EAGAIN:
    case EINPROGRESS:
    case EINTR:  // until the deadline had passed
      return absl::DeadlineExceededError(
          absl::StrCat(where, ": the server does not accept connections (its backlog stayed full)"));
    default:
      return ErrnoStatus(error, where);
  }
}

// How long a connect() to a full backlog waits at a time.
constexpr int64_t kLookForCancelNanos = 10'000'000;
constexpr int64_t kLongestWaitNanos = 3600 * int64_t{1'000'000'000};

// False, with errno: EAGAIN where the time has passed, EINTR where a signal ended the wait.
bool ConnectWithin(int socket, const UnixSocketAddress& address, int64_t nanos) {
  timeval timeout{};
  timeout.tv_sec = nanos / 1'000'000'000;
  timeout.tv_usec = nanos % 1'000'000'000 / 1000;
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  return connect(socket, Generic(address), address.length) == 0;
}

uint32_t NumberIn(const char* path, uint32_t otherwise) {
  uint32_t value = otherwise;
  if (FILE* file = std::fopen(path, "re")) {
    if (std::fscanf(file, "%u", &value) != 1) value = otherwise;
    std::fclose(file);
  }
  return value;
}

// Its supplementary groups. None where the kernel does not tell: then no rule lets it in by them.
std::vector<gid_t> PeerGroups(int socket) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool told = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) == 0;
    const bool longer = !told && errno == ERANGE && length / sizeof(gid_t) > groups.size();
    groups.resize(told || longer ? length / sizeof(gid_t) : 0);
    if (!longer) return groups;
  }
}

// False for -1.
bool IsReadable(int descriptor) {
  pollfd item{.fd = descriptor, .events = POLLIN, .revents = 0};
  return poll(&item, 1, 0) > 0;
}

// Whether somebody listens at `address`.
bool IsLive(const UnixSocketAddress& address) {
  UniqueFd probe = NewSocket(SOCK_NONBLOCK);
  if (!probe.valid()) return true;  // Can't tell: leave it alone.
  if (connect(probe.get(), Generic(address), address.length) != 0) return errno != ECONNREFUSED;
  // Somebody has the listening socket: who listened, or a child that it left behind.
  auto peer = UnixPeerIdentity(probe.get());
  return !peer.ok() || !absl::IsUnavailable(UnixPeerProcess(probe.get(), *peer).status());
}

absl::Status Bind(int socket, const UnixSocketAddress& address) {
  if (bind(socket, Generic(address), address.length) == 0) return absl::OkStatus();
  const std::string what = absl::StrCat("listen at ", address.ToString());
  if (errno == EADDRINUSE) {
    return absl::AlreadyExistsError(absl::StrCat(
        what,
        ": a live server listens there (this one, perhaps, at the same address twice). Stop it, or choose "
        "another address"));
  }
  if (errno == ENOENT || errno == ENOTDIR) return ErrnoStatus(errno, what, "Make the directory first");
  if (errno == EACCES || errno == EPERM) {
    return ErrnoStatus(errno, what, absl::StrCat("uid ", geteuid(), " may not create files there"));
  }
  return ErrnoStatus(errno, what);
}

absl::Status BindPath(int socket, const UnixSocketAddress& address) {
  struct stat there {};
  if (lstat(address.path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) {
      return absl::AlreadyExistsError(
          absl::StrCat("listen at ", address.path,
                       ": a file that is no socket is there. Remove it, or choose another "
                       "address"));
    }
    if (!IsLive(address)) unlink(address.path.c_str());
  }
  return Bind(socket, address);
}

// Where a socket is bound.
UnixSocketAddress BoundTo(int socket) {
  UnixSocketAddress bound;
  bound.length = sizeof bound.address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound.address), &bound.length) != 0) bound.length = 0;
  bound.length = std::clamp<socklen_t>(bound.length, offsetof(sockaddr_un, sun_path), sizeof bound.address);
  const size_t bytes = bound.length - offsetof(sockaddr_un, sun_path);
  bound.path.assign(bound.address.sun_path, strnlen(bound.address.sun_path, bytes));
  return bound;
}

// OK where `descriptor` is a socket that listens at `address`; else what it is instead, and the mend.
absl::Status CheckListensAt(int descriptor, const UnixSocketAddress& address) {
  const auto refuse = [&](std::string_view what_it_is, std::string_view mend) {
    return absl::InvalidArgumentError(absl::StrCat("listen at ", address.ToString(), " on descriptor ",
                                                   descriptor, ": ", std::string(what_it_is), ". ",
                                                   std::string(mend)));
  };
  const auto option = [&](int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
  };
  const int family = option(SO_DOMAIN);
  if (family < 0) {
    return refuse(errno == EBADF ? "it is not open" : "it is no socket",
                  "Give the number of a socket that was passed to this process (systemd's begin with 3)");
  }
  if (family != AF_UNIX) return refuse("it is a socket of another family", "It must be of AF_UNIX");
  if (option(SO_TYPE) != SOCK_STREAM) {
    return refuse("it is no stream socket", "Make it with SOCK_STREAM (in a systemd unit: ListenStream=)");
  }
  if (option(SO_ACCEPTCONN) != 1) {
    return refuse("it does not listen", "Pass a socket after listen() (in a systemd unit: Accept=no)");
  }
  const UnixSocketAddress bound = BoundTo(descriptor);
  if (bound.length != address.length || std::memcmp(&bound.address, &address.address, bound.length) != 0) {
    return refuse(absl::StrCat("it is bound to ", bound.ToString()),
                  "Clients are told the address: give the one that it is bound to");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnixSocketAddress> UnixSocketAddress::FromPath(const std::string& path) {
  auto result = Fill(path, "'" + path + "': a path", "Use a shorter one, for example below /run or /tmp");
  if (!result.ok()) return result;
  std::memcpy(result->address.sun_path, path.data(), path.size());
  result->length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  result->path = path;
  return result;
}

absl::StatusOr<UnixSocketAddress> UnixSocketAddress::FromAbstractName(const std::string& name) {
  auto result = Fill(name, "'" + name + "': a name", "Use a shorter one");
  if (!result.ok()) return result;
  std::memcpy(result->address.sun_path + 1, name.data(), name.size());
  result->length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return result;
}

std::string UnixSocketAddress::ToString() const {
  if (!path.empty()) return path;
  return absl::StrCat("@",
                      absl::string_view(address.sun_path + 1, length - offsetof(sockaddr_un, sun_path) - 1));
}

absl::StatusOr<UniqueFd> ConnectUnixSocket(const UnixSocketAddress& address, int64_t deadline_nanos,
                                           int cancel_descriptor) {
  // Blocking, with a send timeout, which connect() honours: a non-blocking connect to a full backlog says
  // EAGAIN, and nothing ever tells when to try again. Nor does anything but a signal end a connect() that
  // waits: where there may be a cancel, it waits for a short while at a time.
  const int64_t longest_wait = cancel_descriptor >= 0 ? kLookForCancelNanos : kLongestWaitNanos;
  UniqueFd fd = NewSocket(0);
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  while (!ConnectWithin(fd.get(), address,
                        std::clamp<int64_t>(deadline_nanos - MonotonicNanos(), 1'000'000, longest_wait))) {
    const int error = errno;
    const bool may_wait_on = error == EINTR || error == EAGAIN;
    if (!may_wait_on || HasPassed(deadline_nanos)) return ConnectError(error, address);
    if (IsReadable(cancel_descriptor)) {
      return absl::CancelledError(
          absl::StrCat("connect to ", address.ToString(), ": nobody waits for it any more"));
    }
  }
  if (fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "fcntl");
  return fd;
}

absl::StatusOr<UniqueFd> ConnectUnixSocket(const Address& address, const UnixSocketAddress& where,
                                           int64_t deadline_nanos, int cancel_descriptor) {
  if (address.options.find(kAdoptOption) != address.options.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "connect to '", address.text, "': the option ", kAdoptOption,
        " is for who listens there, and names a socket of that process. Connect to ", address.ForClients()));
  }
  return ConnectUnixSocket(where, deadline_nanos, cancel_descriptor);
}

absl::StatusOr<PeerIdentity> UnixPeerIdentity(int socket) {
  static const uid_t overflow_uid = NumberIn("/proc/sys/kernel/overflowuid", 65534);
  static const gid_t overflow_gid = NumberIn("/proc/sys/kernel/overflowgid", 65534);
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return ErrnoStatus(errno, "the peer's credentials");
  }
  PeerIdentity peer;
  if (credentials.uid != overflow_uid) {
    peer.uid = credentials.uid;
    if (credentials.gid != overflow_gid) peer.gid = credentials.gid;
    std::vector<gid_t> groups = PeerGroups(socket);
    std::erase(groups, overflow_gid);
    peer.groups = GroupList(std::move(groups));
  }
  if (credentials.pid != 0) peer.pid = credentials.pid;
  return peer;
}

absl::StatusOr<UniqueFd> UnixPeerProcess(int socket, const PeerIdentity& peer) {
  if (peer.pid == getpid()) return UniqueFd();
  const absl::Status dead = absl::UnavailableError(
      absl::StrCat("the peer (", peer.ToString(), ") has died, and another process holds its socket"));
  int fd = -1;
  socklen_t length = sizeof fd;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) != 0) {
    if (errno == EINVAL || errno == ESRCH) return dead;  // Its parent has been told already.
    if (errno == ENOPROTOOPT && peer.pid.has_value()) {
      fd = static_cast<int>(syscall(SYS_pidfd_open, *peer.pid, 0));
      if (fd < 0 && errno == ESRCH) return dead;
    }
    if (fd < 0) {
      absl::Status why = ErrnoStatus(errno, "the peer's pidfd");
      if (absl::IsResourceExhausted(why)) return why;
      return UniqueFd();
    }
  }
  UniqueFd process(fd);
  pollfd item{.fd = fd, .events = POLLIN, .revents = 0};
  if (poll(&item, 1, 0) > 0) return dead;
  return process;
}

UnixSocketListener::UnixSocketListener(UniqueFd socket, std::string path)
    : socket_(std::move(socket)), path_(std::move(path)), owner_(getpid()) {
  struct stat made {};
  if (!path_.empty() && lstat(path_.c_str(), &made) == 0) {
    device_ = made.st_dev;
    inode_ = made.st_ino;
  }
}

UnixSocketListener::~UnixSocketListener() {
  if (path_.empty() || getpid() != owner_) return;
  auto lock = PathLock::Take(path_);
  if (!lock.ok()) return;  // The next server takes a stale path over.
  struct stat there {};
  if (lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_)
    unlink(path_.c_str());
}

absl::StatusOr<std::unique_ptr<UnixSocketListener>> UnixSocketListener::Listen(
    const UnixSocketAddress& address) {
  UniqueFd fd = NewSocket(SOCK_NONBLOCK);
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  auto serve = [&](absl::Status bound) -> absl::StatusOr<std::unique_ptr<UnixSocketListener>> {
    if (!bound.ok()) return bound;
    if (listen(fd.get(), SOMAXCONN) != 0) return ErrnoStatus(errno, "listen");
    return std::unique_ptr<UnixSocketListener>(new UnixSocketListener(std::move(fd), address.path));
  };
  if (address.path.empty()) return serve(Bind(fd.get(), address));
  auto lock = PathLock::Take(address.path);
  if (!lock.ok()) {
    // Say it of the address, whose directory it is that cannot be written to.
    return absl::Status(lock.status().code(),
                        absl::StrCat("listen at ", address.path, ": ", lock.status().message()));
  }
  return serve(BindPath(fd.get(), address));
}

absl::StatusOr<std::unique_ptr<UnixSocketListener>> UnixSocketListener::Adopt(
    int descriptor, const UnixSocketAddress& address) {
  absl::Status listens = CheckListensAt(descriptor, address);
  if (!listens.ok()) return listens;
  const std::string what = absl::StrCat("listen at ", address.ToString(), " on descriptor ", descriptor);
  // Under a number of our own: who names the descriptor twice is told that it is not open, in place of two
  // listeners that would both close it.
  UniqueFd fd(fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
  if (!fd.valid() || fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, what);
  // To clients, who called listen() is who listens, and dead once that process is (UnixPeerProcess). A
  // manager of sockets outlives us, and is left as it is: then clients wait for our successor where we are
  // gone. Of one that is dead already this process takes the place.
  auto listening = UnixPeerIdentity(fd.get());
  if (!listening.ok()) return listening.status();
  if (absl::IsUnavailable(UnixPeerProcess(fd.get(), *listening).status()) &&
      listen(fd.get(), SOMAXCONN) != 0) {
    return ErrnoStatus(errno, what);
  }
  close(descriptor);
  return std::unique_ptr<UnixSocketListener>(new UnixSocketListener(std::move(fd), ""));
}

absl::StatusOr<std::unique_ptr<UnixSocketListener>> UnixSocketListener::Listen(
    const Address& address, const UnixSocketAddress& where) {
  if (address.options.find(kAdoptOption) == address.options.end()) return Listen(where);
  auto descriptor = address.SizeOption(kAdoptOption, 0, 0, INT_MAX);
  if (!descriptor.ok()) return descriptor.status();
  return Adopt(static_cast<int>(*descriptor), where);
}

absl::StatusOr<UniqueFd> UnixSocketListener::Accept() {
  for (;;) {
    UniqueFd fd(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) return fd;
    if (errno == EAGAIN) return UniqueFd();
    if (errno == EINTR || errno == ECONNABORTED) continue;
    return ErrnoStatus(errno, "accept");
  }
}

}  // namespace sidecall
