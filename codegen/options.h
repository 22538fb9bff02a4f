// The plugin's parameters, as protoc hands them over: --sidecall_opt=header_extension=.rpc.h
#ifndef SIDECALL_CODEGEN_OPTIONS_H_
#define SIDECALL_CODEGEN_OPTIONS_H_

#include <string>

#include "absl/status/statusor.h"

namespace sidecall::codegen {

struct Options {
  // What replaces ".proto" in the names of the generated files.
  std::string header_extension = ".sidecall.h";
  std::string source_extension = ".sidecall.cc";
  // Put before the paths that generated files include (their own header, and protobuf's). Empty, or ends in
  // '/'.
  std::string include_prefix;
};

// Parses "key=value,key=value". INVALID_ARGUMENT names the parameter that is wrong and what would be right.
absl::StatusOr<Options> ParseOptions(const std::string& parameter);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_OPTIONS_H_
