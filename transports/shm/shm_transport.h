#ifndef SIDECALL_TRANSPORTS_SHM_SHM_TRANSPORT_H_
#define SIDECALL_TRANSPORTS_SHM_SHM_TRANSPORT_H_

#include <memory>

#include "transport/transport.h"

namespace sidecall {

// "shm:/path" or "shm:/path?ring=BYTES": the path is that of the rendezvous socket.
std::unique_ptr<const Transport> MakeShmTransport();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_SHM_SHM_TRANSPORT_H_
