// PeerIdentity: who is at the other end of a connection, as the kernel vouches for it (never as a message
// claims).
#ifndef SIDECALL_PEER_IDENTITY_H_
#define SIDECALL_PEER_IDENTITY_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace sidecall {

struct PeerIdentity {
  // Absent where the transport carries no identity, or the peer's user namespace maps it to the overflow uid:
  // an absent uid matches no policy.
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  // Its supplementary groups, when it connected.
  std::vector<gid_t> groups{};
  // Absent where unknown (another pid namespace). A hint for people: pids are reused.
  std::optional<pid_t> pid;

  // "uid 1000, gid 1000, pid 4242", "unknown".
  std::string ToString() const;
};

}  // namespace sidecall

#endif  // SIDECALL_PEER_IDENTITY_H_
