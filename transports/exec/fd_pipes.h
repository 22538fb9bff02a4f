// The two pipe ends that an "fd:" address names, as one connection.
#ifndef SIDECALL_TRANSPORTS_EXEC_FD_PIPES_H_
#define SIDECALL_TRANSPORTS_EXEC_FD_PIPES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "transport/address.h"
#include "transport/transport.h"

namespace sidecall {

// "fd:3,4": reads from 3, writes to 4, which are this connection's from now on. Once: INVALID_ARGUMENT where
// they are no such ends of pipes, UNAVAILABLE where they have been taken already, or the parent is gone.
absl::StatusOr<std::unique_ptr<Connection>> AdoptPipes(const Address& address);

// Of the same, for a server: there is this one connection to accept.
absl::StatusOr<std::unique_ptr<Listener>> ListenAtPipes(const Address& address);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_FD_PIPES_H_
