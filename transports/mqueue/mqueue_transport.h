#ifndef SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_TRANSPORT_H_
#define SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_TRANSPORT_H_

#include <memory>

#include "transport/transport.h"

namespace sidecall {

// "mqueue:/name".
std::unique_ptr<const Transport> MakeMqueueTransport();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_TRANSPORT_H_
