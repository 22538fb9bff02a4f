// Where hello_server and hello_client meet when they are told no address.
#ifndef SIDECALL_EXAMPLES_HELLO_DEFAULT_ADDRESS_H_
#define SIDECALL_EXAMPLES_HELLO_DEFAULT_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"

namespace hello {

// An shm address in a directory that no other user can write to: $XDG_RUNTIME_DIR, else /tmp/sidecall-<uid>,
// which is made where it is missing. FAILED_PRECONDITION where something else has that name.
absl::StatusOr<std::string> DefaultAddress();

}  // namespace hello

#endif  // SIDECALL_EXAMPLES_HELLO_DEFAULT_ADDRESS_H_
