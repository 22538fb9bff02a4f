#include "fd_passing.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bench {
namespace {

absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return absl::InvalidArgumentError("too long for a socket: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Room for a message of one byte that carries descriptors.
struct FdMessage {
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostFds)] = {};
  msghdr header{};

  explicit FdMessage(size_t fds) {
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
  }
};

}  // namespace

absl::StatusOr<int> AcceptOne(const std::string& path, const std::function<void()>& ready) {
  const absl::StatusOr<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.status();
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) < 0 ||
      listen(listener, 1) < 0) {
    return absl::ErrnoToStatus(errno, "cannot listen at " + path);
  }
  ready();
  const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  const int error = errno;
  close(listener);
  if (connection < 0) return absl::ErrnoToStatus(error, "accept at " + path);
  return connection;
}

absl::StatusOr<int> ConnectTo(const std::string& path) {
  const absl::StatusOr<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.status();
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(connection, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) < 0) {
    return absl::ErrnoToStatus(errno, "connect to " + path);
  }
  return connection;
}

absl::Status SendFds(int socket, std::span<const int> fds) {
  FdMessage message(fds.size());
  cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(control), fds.data(), fds.size_bytes());
  if (sendmsg(socket, &message.header, 0) != 1) return absl::ErrnoToStatus(errno, "sendmsg with descriptors");
  return absl::OkStatus();
}

absl::Status ReceiveFds(int socket, std::span<int> fds) {
  FdMessage message(fds.size());
  if (recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) != 1) {
    return absl::ErrnoToStatus(errno, "recvmsg with descriptors");
  }
  const cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  if (control == nullptr || control->cmsg_len != CMSG_LEN(fds.size_bytes())) {
    return absl::DataLossError("the server sent no descriptors");
  }
  std::memcpy(fds.data(), CMSG_DATA(control), fds.size_bytes());
  return absl::OkStatus();
}

}  // namespace bench
