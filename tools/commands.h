// The commands of `sidecall`, one file each. A status that is not OK is printed, and ends the command with
// 64 + its code.
#ifndef SIDECALL_TOOLS_COMMANDS_H_
#define SIDECALL_TOOLS_COMMANDS_H_

#include <string>

#include "absl/status/status.h"

namespace sidecall::tools {

// The services that live servers of the registry serve; those of `service` alone, with their servers, where
// it is not empty.
absl::Status List(const std::string& service, bool legend);

// Removes what dead servers have left in this user's directory.
absl::Status Clean();

}  // namespace sidecall::tools

#endif  // SIDECALL_TOOLS_COMMANDS_H_
