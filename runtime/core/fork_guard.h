// ForkGuard: tells a child of fork() that a handle is its parent's. Threads, rings and roles do not survive a
// fork; the check is one load, so every call can make it.
#ifndef SIDECALL_CORE_FORK_GUARD_H_
#define SIDECALL_CORE_FORK_GUARD_H_

#include <cstdint>

#include "absl/status/status.h"

namespace sidecall {

class ForkGuard {
 public:
  ForkGuard();
  // True in every child that was forked since this object was made.
  bool forked() const { return generation_ != current_generation; }
  // FAILED_PRECONDITION: `what` ("this channel") is the parent's.
  static absl::Status Error(const char* what);

 private:
  static uint64_t current_generation;  // grows in the child of each fork
  uint64_t generation_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_FORK_GUARD_H_
