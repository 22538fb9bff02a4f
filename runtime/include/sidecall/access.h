// AccessRule: who may call a service, or one method of it (docs/access.md).
//
//   builder.SetAccess("hello.Greeter", {.uids = {0, 1000}, .gids = {44}});
//   builder.SetAccess("hello.Greeter/Shutdown", {.uids = {0}});
//
// Refused calls end with PERMISSION_DENIED before a handler sees them. Thread-safety: a value.
#ifndef SIDECALL_ACCESS_H_
#define SIDECALL_ACCESS_H_

#include <sys/types.h>

#include <functional>
#include <string_view>
#include <vector>

#include "sidecall/peer_identity.h"

namespace sidecall {

// A peer that any of these lets in may call. Whom the kernel does not vouch for, the overflow uid of another
// user namespace for one, none of them does.
struct AccessRule {
  std::vector<uid_t> uids = {};
  std::vector<gid_t> gids = {};  // the peer's own, or one of its supplementary ones
  // Asked where neither of these lets the peer in, before each call, on its handler's thread; `method` is
  // "hello.Greeter/SayHello". Called from many threads at once. Where it throws, the call is refused.
  std::function<bool(const PeerIdentity& peer, std::string_view method)> predicate = nullptr;

  // Lets in whoever has an identity.
  static AccessRule Anyone() {
    return {.predicate = [](const PeerIdentity&, std::string_view) { return true; }};
  }
};

}  // namespace sidecall

#endif  // SIDECALL_ACCESS_H_
