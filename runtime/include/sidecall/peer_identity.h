// PeerIdentity: who is at the other end of a connection, as the kernel vouches for it (never as a message
// claims).
#ifndef SIDECALL_PEER_IDENTITY_H_
#define SIDECALL_PEER_IDENTITY_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sidecall {

// Group ids, which copies share: every call's context says who answered, and is not to take memory for it.
class GroupList final {
 public:
  GroupList() = default;
  explicit GroupList(std::vector<gid_t> groups) {
    if (!groups.empty()) groups_ = std::make_shared<const std::vector<gid_t>>(std::move(groups));
  }
  const gid_t* begin() const { return groups_ != nullptr ? groups_->data() : nullptr; }
  const gid_t* end() const { return begin() + size(); }
  size_t size() const { return groups_ != nullptr ? groups_->size() : 0; }
  bool empty() const { return groups_ == nullptr; }

 private:
  std::shared_ptr<const std::vector<gid_t>> groups_;  // null: none
};

struct PeerIdentity {
  // Absent where the transport carries no identity, or the peer's user namespace maps it to the overflow uid:
  // an absent uid matches no policy.
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  // Its supplementary groups, when it connected.
  GroupList groups{};
  // Absent where unknown (another pid namespace). A hint for people: pids are reused.
  std::optional<pid_t> pid;

  // "uid 1000, gid 1000, pid 4242", "unknown".
  std::string ToString() const;
};

}  // namespace sidecall

#endif  // SIDECALL_PEER_IDENTITY_H_
