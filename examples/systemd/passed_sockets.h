// The sockets that systemd passes to the process that it starts.
#ifndef SIDECALL_EXAMPLES_SYSTEMD_PASSED_SOCKETS_H_
#define SIDECALL_EXAMPLES_SYSTEMD_PASSED_SOCKETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace hello {

// As addresses, "shm:/run/hello/greeter?fd=3": the transport is what FileDescriptorName= says in the socket
// unit. FAILED_PRECONDITION where there are none. To be called once.
absl::StatusOr<std::vector<std::string>> AddressesOfPassedSockets();

}  // namespace hello

#endif  // SIDECALL_EXAMPLES_SYSTEMD_PASSED_SOCKETS_H_
