// Addresses by which a process and its child call each other, over pipes: for plug-ins and sandboxed workers.
//
//   // The parent, which calls:
//   auto channel = sidecall::SpawnChild("/usr/lib/plugin");
//   plugin::Plugin::Stub stub(channel);
//
//   // The child, which serves:
//   absl::StatusOr<std::string> parent = sidecall::ParentAddress();
//   if (!parent.ok()) ...  // started by hand: tell so
//   builder.AddAddress(*parent);
//   ...
//   sidecall::WaitForParent();
//
// Or the other way round: the parent serves at ChildAddress(...), the child calls ParentAddress(). SpawnChild
// is in sidecall/spawn_child.h. Thread-safety: any thread.
#ifndef SIDECALL_CHILD_ADDRESS_H_
#define SIDECALL_CHILD_ADDRESS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sidecall {

// -- The parent's -------------------------------------------------------------------------------------------

struct ChildOptions {
  // The kernel kills it when this process dies. Otherwise it finds that its parent has hung up, and leaves by
  // itself.
  bool dies_with_parent = true;
  // Each line that it writes to stderr comes out of this process's, behind "<program>[<pid>]: ". Otherwise
  // both have the same stderr.
  bool forward_stderr = false;
  // How often it is started anew, with growing pauses, where it ends sooner than 10 s after its start, time
  // and again. One that lived longer is started anew in any case. By whom: the channel, at its next call; or
  // the server, at once.
  int max_restarts = 5;
  // For leaving by itself, once this process has hung up: then it gets SIGTERM, and as long again after that
  // SIGKILL.
  absl::Duration grace = absl::Seconds(2);
};

// "exec:/usr/lib/plugin --flag?forward_stderr=yes": what a channel connects to, and a server listens at, to
// have `program` started as a child and talk with it over two pipes. It inherits stdin, stdout, stderr and
// these pipes, and nothing else. `program` is a path, or a name to be found in PATH.
std::string ChildAddress(std::string_view program, const std::vector<std::string>& arguments = {},
                         const ChildOptions& options = {});

// -- The child's --------------------------------------------------------------------------------------------

// "fd:3,4": where its parent is. FAILED_PRECONDITION, with what to tell a person, where this process was
// started by hand, or by a program of another version.
absl::StatusOr<std::string> ParentAddress();

// Blocks until the parent has hung up, or is gone. REQUIRES: ParentAddress() was OK.
void WaitForParent();

}  // namespace sidecall

#endif  // SIDECALL_CHILD_ADDRESS_H_
