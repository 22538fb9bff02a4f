#ifndef SIDECALL_TRANSPORTS_INPROC_INPROC_TRANSPORT_H_
#define SIDECALL_TRANSPORTS_INPROC_INPROC_TRANSPORT_H_

#include <memory>

#include "transport/transport.h"

namespace sidecall {

// "inproc:name": both sides in one process.
std::unique_ptr<const Transport> MakeInprocTransport();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_INPROC_INPROC_TRANSPORT_H_
