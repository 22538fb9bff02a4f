#include "model.h"

#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.pb.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "clashes.h"
#include "names.h"
#include "traits.h"

namespace sidecall::codegen {
namespace {

namespace cpp = google::protobuf::compiler::cpp;

MethodKind KindOf(const google::protobuf::MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? MethodKind::kBidirectionalStreaming : MethodKind::kClientStreaming;
  }
  return method.server_streaming() ? MethodKind::kServerStreaming : MethodKind::kUnary;
}

template <typename Descriptor>
Comments CommentsOf(const Descriptor& descriptor) {
  google::protobuf::SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return {};
  return CommentsFrom(location);
}

Comments CommentsOfSyntax(const google::protobuf::FileDescriptor& file) {
  google::protobuf::SourceLocation location;
  if (!file.GetSourceLocation({google::protobuf::FileDescriptorProto::kSyntaxFieldNumber}, &location))
    return {};
  return CommentsFrom(location);
}

absl::StatusOr<Method> BuildMethod(const google::protobuf::MethodDescriptor& descriptor) {
  Method method;
  auto timeout = DefaultTimeoutOf(descriptor);
  if (!timeout.ok()) return timeout.status();
  method.default_timeout_nanos = *timeout;
  method.idempotent = IsIdempotent(descriptor);
  method.name = MethodFunctionName(descriptor.name());
  method.full_name = absl::StrCat(descriptor.service()->full_name(), "/", descriptor.name());
  method.request = cpp::QualifiedClassName(descriptor.input_type());
  method.reply = cpp::QualifiedClassName(descriptor.output_type());
  method.kind = KindOf(descriptor);
  method.deprecated = descriptor.options().deprecated();
  method.comments = CommentsOf(descriptor);
  return method;
}

absl::StatusOr<Service> BuildService(const google::protobuf::ServiceDescriptor& descriptor) {
  Service service;
  auto transports = TransportsOf(descriptor);
  if (!transports.ok()) return transports.status();
  service.transports = *std::move(transports);
  service.schema_hash = SchemaHash(descriptor);
  const std::string& package = descriptor.file()->package();
  service.name = ServiceClassName(package, descriptor.name());
  const std::vector<std::string> namespaces = absl::StrSplit(package, '.', absl::SkipEmpty());
  for (const std::string& part : namespaces) absl::StrAppend(&service.scope, "::", part);
  service.full_name = descriptor.full_name();
  service.table_name = service.name + "_methods_";
  service.entries_name = service.name + "_entries_";
  service.deprecated = descriptor.options().deprecated();
  service.comments = CommentsOf(descriptor);
  for (int i = 0; i < descriptor.method_count(); ++i) {
    auto method = BuildMethod(*descriptor.method(i));
    if (!method.ok()) return method.status();
    service.methods.push_back(*std::move(method));
  }
  return service;
}

}  // namespace

absl::StatusOr<File> BuildFile(const google::protobuf::FileDescriptor& descriptor, const Options& options) {
  File file;
  file.proto_path = descriptor.name();
  const std::string base = cpp::StripProto(descriptor.name());
  file.header_path = base + options.header_extension;
  file.source_path = base + options.source_extension;
  file.header_include = options.include_prefix + file.header_path;
  file.message_include = options.include_prefix + base + ".pb.h";
  file.include_guard = IncludeGuard(file.header_path);
  file.namespaces = absl::StrSplit(descriptor.package(), '.', absl::SkipEmpty());
  file.comments = CommentsOfSyntax(descriptor);
  for (int i = 0; i < descriptor.service_count(); ++i) {
    auto service = BuildService(*descriptor.service(i));
    if (!service.ok()) return service.status();
    file.services.push_back(*std::move(service));
  }
  absl::Status status = CheckClashes(descriptor, file);
  if (!status.ok()) return status;
  return file;
}

}  // namespace sidecall::codegen
