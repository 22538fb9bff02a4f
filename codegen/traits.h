// What sidecall/options.proto lets a .proto say of services and methods, and the hash of its schema.
#ifndef SIDECALL_CODEGEN_TRAITS_H_
#define SIDECALL_CODEGEN_TRAITS_H_

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sidecall::codegen {

// "shm,unix", the best first; empty where the service names none. INVALID_ARGUMENT for one that is none, or
// that is named twice.
absl::StatusOr<std::string> TransportsOf(const google::protobuf::ServiceDescriptor& service);

bool IsIdempotent(const google::protobuf::MethodDescriptor& method);

// Nanoseconds; 0 where the method has none. INVALID_ARGUMENT for one that no call can keep.
absl::StatusOr<int64_t> DefaultTimeoutOf(const google::protobuf::MethodDescriptor& method);

// Of all that may travel in the service's calls. Comments, and the paths of .proto files, do not count.
uint64_t SchemaHash(const google::protobuf::ServiceDescriptor& service);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_TRAITS_H_
