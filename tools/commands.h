// The commands of `sidecall`, one file each. A status that is not OK is printed, and ends the command with
// 64 + its code.
#ifndef SIDECALL_TOOLS_COMMANDS_H_
#define SIDECALL_TOOLS_COMMANDS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "arguments.h"

namespace sidecall::tools {

// The services that live servers of the registry serve; those of `service` alone, with their servers, where
// it is not empty.
absl::Status List(const std::string& service, bool legend);

// The .proto source of a service, a method or a type, as a live server knows it; where `symbol` is empty, of
// all live services.
absl::Status Describe(const std::string& symbol);

struct CallRequest {
  std::string target;  // empty: the service's name
  MethodName method;
  std::string data = "{}";  // JSON; "@": on stdin
  std::vector<std::pair<std::string, std::string>> headers;
  absl::Time deadline = absl::InfiniteFuture();  // of everything
  bool emit_defaults = false;
};

// Calls a unary method, and prints its reply as JSON.
absl::Status Call(const CallRequest& request);

// Removes what dead servers have left in this user's directory.
absl::Status Clean();

}  // namespace sidecall::tools

#endif  // SIDECALL_TOOLS_COMMANDS_H_
