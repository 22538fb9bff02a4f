// The names of connections that two processes meet by: files beside a server's address, "<address>.<name>.*",
// which are there until both have them open. A name is the client's pid and a number of its own, "4242-1".
#ifndef SIDECALL_TRANSPORT_CONNECTION_NAMES_H_
#define SIDECALL_TRANSPORT_CONNECTION_NAMES_H_

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace sidecall {

inline constexpr size_t kLongestConnectionName = 40;

// One that this process has not used before. (A dead one of the same pid may have.)
std::string NextConnectionName();
// Has `make` make the files of a connection of that name, and of the next ones for as long as it finds that
// something is there already (ALREADY_EXISTS, all that it made removed): what a dead process of the same pid
// left, or what another user has put there. PERMISSION_DENIED where that has no end; else as `make`.
absl::Status MakeUnderFreeName(absl::FunctionRef<absl::Status(const std::string& name)> make);
// Whether it is one: a peer may say anything.
bool IsConnectionName(std::string_view name);
// Those that have files beside `path`.
std::set<std::string> ConnectionsBeside(const std::string& path);
// Whether nobody has the connection any more, or ever had, whose OwnerLock is on the FIFO `locked`.
bool IsLeftBehind(const std::string& locked);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_CONNECTION_NAMES_H_
