// A client that starts the server which it calls.
#ifndef SIDECALL_TRANSPORTS_EXEC_EXEC_CONNECT_H_
#define SIDECALL_TRANSPORTS_EXEC_EXEC_CONNECT_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "transport/transport.h"
#include "transports/exec/child_command.h"
#include "transports/exec/restarts.h"

namespace sidecall {

// Arguments and errors as Transport::Connect, and FAILED_PRECONDITION: what was started is no plug-in, or of
// another version, or ends too often.
absl::StatusOr<std::unique_ptr<Connection>> ConnectToChild(const ChildCommand& command, Restarts& restarts,
                                                           int64_t deadline_nanos, int cancel_descriptor);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_EXEC_CONNECT_H_
