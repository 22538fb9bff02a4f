// Unix stream sockets: connecting, listening, and the kernel's word on who the peer is. For every transport
// that meets its peer at a socket.
#ifndef SIDECALL_TRANSPORT_UNIX_SOCKET_H_
#define SIDECALL_TRANSPORT_UNIX_SOCKET_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sidecall/peer_identity.h"
#include "transport/address.h"
#include "transport/unique_fd.h"

namespace sidecall {

// Where a socket is: a path, or a name in the abstract namespace (which has no owner and no mode).
struct UnixSocketAddress {
  sockaddr_un address{};
  socklen_t length = 0;
  std::string path;  // empty where abstract

  // INVALID_ARGUMENT where it does not fit into sun_path, naming both lengths.
  static absl::StatusOr<UnixSocketAddress> FromPath(const std::string& path);
  static absl::StatusOr<UnixSocketAddress> FromAbstractName(const std::string& name);
  // For messages: "/run/x", "@name".
  std::string ToString() const;
};

// A connected, non-blocking socket. Arguments and errors as Transport::Connect.
absl::StatusOr<UniqueFd> ConnectUnixSocket(const UnixSocketAddress& address, int64_t deadline_nanos,
                                           int cancel_descriptor = -1);

// The same for a transport's address, which has no option `fd`: INVALID_ARGUMENT otherwise.
absl::StatusOr<UniqueFd> ConnectUnixSocket(const Address& address, const UnixSocketAddress& where,
                                           int64_t deadline_nanos, int cancel_descriptor);

// SO_PEERCRED and SO_PEERGROUPS. The overflow uid, its gid, and pid 0 are no identity, and are left out.
// RESOURCE_EXHAUSTED, ... where it fails.
absl::StatusOr<PeerIdentity> UnixPeerIdentity(int socket);

// The pidfd of the process at the other end, readable when that has died: a child may have inherited its
// socket, and then no hang-up tells. Not valid where that process is this one, or the kernel does not tell
// (no pidfds, another pid namespace). UNAVAILABLE where it is dead already; RESOURCE_EXHAUSTED.
absl::StatusOr<UniqueFd> UnixPeerProcess(int socket, const PeerIdentity& peer);

// A listening socket, made or adopted. A path where nobody listens any more (whoever did is dead, even if its
// child has the socket) is taken over; a live one never is. The destructor removes the path, unless another
// file has taken its place, or the socket was adopted.
class UnixSocketListener {
 public:
  static absl::StatusOr<std::unique_ptr<UnixSocketListener>> Listen(const UnixSocketAddress& address);
  // Takes `descriptor` for its own: a listening socket that somebody else has bound to `address`, systemd for
  // one, and goes on to own the path of. INVALID_ARGUMENT where it is none; then it stays the caller's.
  static absl::StatusOr<std::unique_ptr<UnixSocketListener>> Adopt(int descriptor,
                                                                   const UnixSocketAddress& address);
  // For a transport's address: adopts what its option `fd` names; where it has none, listens.
  static absl::StatusOr<std::unique_ptr<UnixSocketListener>> Listen(const Address& address,
                                                                    const UnixSocketAddress& where);
  ~UnixSocketListener();
  UnixSocketListener(const UnixSocketListener&) = delete;
  UnixSocketListener& operator=(const UnixSocketListener&) = delete;

  // A non-blocking connection; an invalid fd where none waits. Errors as Listener::Accept.
  absl::StatusOr<UniqueFd> Accept();
  int descriptor() const { return socket_.get(); }

 private:
  UnixSocketListener(UniqueFd socket, std::string path);

  UniqueFd socket_;
  std::string path_;  // to be removed; empty where there is none
  pid_t owner_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_UNIX_SOCKET_H_
