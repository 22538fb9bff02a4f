#ifndef SIDECALL_TRANSPORTS_EXEC_EXEC_TRANSPORT_H_
#define SIDECALL_TRANSPORTS_EXEC_EXEC_TRANSPORT_H_

#include <memory>

#include "transport/transport.h"

namespace sidecall {

// "exec:PROGRAM ARGUMENTS": a child that is started.
std::unique_ptr<const Transport> MakeExecTransport();
// "fd:IN,OUT": pipes that are there.
std::unique_ptr<const Transport> MakeFdTransport();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_EXEC_TRANSPORT_H_
