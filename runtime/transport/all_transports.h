// The transports that this build knows, by scheme. transports/register_all.cc fills the list, explicitly.
#ifndef SIDECALL_TRANSPORT_ALL_TRANSPORTS_H_
#define SIDECALL_TRANSPORT_ALL_TRANSPORTS_H_

#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/transport.h"

namespace sidecall {

// Every transport, in the order of the list.
std::span<const std::unique_ptr<const Transport>> AllTransports();

// The transport of `address`. INVALID_ARGUMENT, naming those there are, for an unknown scheme.
absl::StatusOr<const Transport*> FindTransport(const Address& address);
// The same of "shm" or "unix".
absl::StatusOr<const Transport*> FindTransportOfScheme(const std::string& scheme);

// transports/register_all.cc.
std::vector<std::unique_ptr<const Transport>> MakeAllTransports();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_ALL_TRANSPORTS_H_
