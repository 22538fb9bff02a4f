// What the command line of `sidecall` says, read as grpcurl reads its own.
#ifndef SIDECALL_TOOLS_ARGUMENTS_H_
#define SIDECALL_TOOLS_ARGUMENTS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace sidecall::tools {

// The arguments after the program's name: "-max-time" becomes "--max-time", as every other long option does.
std::vector<std::string> NormalArguments(int argc, const char* const* argv);

struct MethodName {
  std::string service;  // "hello.Greeter"
  std::string method;   // "SayHello"

  std::string full_name() const { return service + "/" + method; }
};

// "hello.Greeter/SayHello" or "hello.Greeter.SayHello". INVALID_ARGUMENT.
absl::StatusOr<MethodName> ParseMethodName(const std::string& text);

// "key: value". INVALID_ARGUMENT.
absl::StatusOr<std::pair<std::string, std::string>> ParseHeader(const std::string& text);

// What a server sent, for a terminal: control characters are '?', but that lines stay lines.
std::string Printable(std::string_view text);

}  // namespace sidecall::tools

#endif  // SIDECALL_TOOLS_ARGUMENTS_H_
