// The parent, as its child knows it.
#ifndef SIDECALL_TRANSPORTS_EXEC_PARENT_H_
#define SIDECALL_TRANSPORTS_EXEC_PARENT_H_

#include <optional>

#include "absl/status/statusor.h"
#include "sidecall/peer_identity.h"
#include "transport/unique_fd.h"

namespace sidecall {

// Of the pipes that ParentAddress has named.
struct ParentPeer {
  UniqueFd in;
  UniqueFd out;
  PeerIdentity identity;
  UniqueFd process;  // its pidfd
};

// Where the parent has `in` and `out`: takes these, writes the greeting to it, which is due once, and tells
// who it is. None where these are no pipes of a parent. UNAVAILABLE: they were taken before, or it has gone.
absl::StatusOr<std::optional<ParentPeer>> GreetParentAt(int in, int out);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_PARENT_H_
