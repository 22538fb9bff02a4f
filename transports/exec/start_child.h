// StartChild: fork and exec, with nothing inherited but what a child is to have.
#ifndef SIDECALL_TRANSPORTS_EXEC_START_CHILD_H_
#define SIDECALL_TRANSPORTS_EXEC_START_CHILD_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "transport/unique_fd.h"
#include "transports/exec/child.h"
#include "transports/exec/child_command.h"

namespace sidecall {

// A child, and this process's ends of the pipes to it.
struct StartedChild {
  std::shared_ptr<Child> child;
  UniqueFd in;
  UniqueFd out;
  UniqueFd errors;     // what it writes to stderr; none where that is this process's own
  std::string cookie;  // that it is to greet with
};

// Returns once the program runs. Where the child is to die with its parent, the kernel takes the calling
// thread for that. Errors: INVALID_ARGUMENT (no such program), PERMISSION_DENIED, RESOURCE_EXHAUSTED.
absl::StatusOr<StartedChild> StartChild(const ChildCommand& command);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_START_CHILD_H_
