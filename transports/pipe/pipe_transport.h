#ifndef SIDECALL_TRANSPORTS_PIPE_PIPE_TRANSPORT_H_
#define SIDECALL_TRANSPORTS_PIPE_PIPE_TRANSPORT_H_

#include <memory>

#include "transport/transport.h"

namespace sidecall {

// "pipe:/path".
std::unique_ptr<const Transport> MakePipeTransport();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_PIPE_PIPE_TRANSPORT_H_
