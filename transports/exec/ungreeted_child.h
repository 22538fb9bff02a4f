// A child between its start and its greeting, whichever side serves.
#ifndef SIDECALL_TRANSPORTS_EXEC_UNGREETED_CHILD_H_
#define SIDECALL_TRANSPORTS_EXEC_UNGREETED_CHILD_H_

#include "absl/status/statusor.h"
#include "transports/exec/child_command.h"
#include "transports/exec/greeting.h"
#include "transports/exec/restarts.h"
#include "transports/exec/start_child.h"

namespace sidecall {

struct UngreetedChild {
  StartedChild started;  // its `in` does not wait
  Greeting greeting;     // what it has said of that
};

// Has the keeper start it, and `restarts` know of it. Errors: those of StartChild.
absl::StatusOr<UngreetedChild> StartUngreeted(const ChildCommand& command, Restarts& restarts);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_UNGREETED_CHILD_H_
