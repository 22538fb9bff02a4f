// What is printed for one .proto file: plain data, with every name already in its C++ form.
#ifndef SIDECALL_CODEGEN_MODEL_H_
#define SIDECALL_CODEGEN_MODEL_H_

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "comments.h"
#include "options.h"

namespace sidecall::codegen {

enum class MethodKind { kUnary, kClientStreaming, kServerStreaming, kBidirectionalStreaming };

struct Method {
  std::string name;       // "SayHello", of the functions in Stub and Service.
  std::string full_name;  // "hello.Greeter/SayHello", on the wire.
  std::string request;    // "::hello::HelloRequest"
  std::string reply;
  MethodKind kind = MethodKind::kUnary;
  bool idempotent = false;
  int64_t default_timeout_nanos = 0;
  bool deprecated = false;
  Comments comments;
};

struct Service {
  std::string name;        // "Greeter", of the class.
  std::string scope;       // "::hello", of the namespace around it; empty without a package.
  std::string full_name;   // "hello.Greeter", on the wire.
  std::string table_name;  // "Greeter_methods_", of the namespace that holds its methods.
  std::string transports;  // "shm,unix"; empty where the .proto names none.
  uint64_t schema_hash = 0;
  std::string entries_name;  // "Greeter_entries_", of the array of its methods with their handlers.
  bool deprecated = false;
  Comments comments;
  std::vector<Method> methods;
};

struct File {
  std::string proto_path;  // "foo/hello.proto"
  std::string header_path;
  std::string source_path;
  // As generated files include them.
  std::string header_include;
  std::string message_include;
  std::string include_guard;
  std::vector<std::string> namespaces;
  // Of the `syntax` line: licences stand there.
  Comments comments;
  std::vector<Service> services;
};

// INVALID_ARGUMENT if C++ cannot express the file (names that clash, for one), or an option of it cannot be.
// The message says what to change.
absl::StatusOr<File> BuildFile(const google::protobuf::FileDescriptor& descriptor, const Options& options);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_MODEL_H_
