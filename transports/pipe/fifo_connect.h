// A client's way to a server's rendezvous FIFO.
#ifndef SIDECALL_TRANSPORTS_PIPE_FIFO_CONNECT_H_
#define SIDECALL_TRANSPORTS_PIPE_FIFO_CONNECT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "transport/transport.h"

namespace sidecall {

// Arguments and errors as Transport::Connect.
absl::StatusOr<std::unique_ptr<Connection>> ConnectFifo(const std::string& path, int64_t deadline_nanos,
                                                        int cancel_descriptor);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_PIPE_FIFO_CONNECT_H_
