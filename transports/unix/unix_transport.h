#ifndef SIDECALL_TRANSPORTS_UNIX_UNIX_TRANSPORT_H_
#define SIDECALL_TRANSPORTS_UNIX_UNIX_TRANSPORT_H_

#include <memory>

#include "transport/transport.h"

namespace sidecall {

// "unix:/path".
std::unique_ptr<const Transport> MakeUnixTransport();
// "unix-abstract:name".
std::unique_ptr<const Transport> MakeUnixAbstractTransport();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_UNIX_UNIX_TRANSPORT_H_
