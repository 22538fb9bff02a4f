#include "clashes.h"

#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.pb.h>

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "names.h"

namespace sidecall::codegen {
namespace {

namespace cpp = google::protobuf::compiler::cpp;
using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;

// From a C++ name to what in the .proto takes it: "message hello.Greeter".
using TakenNames = std::map<std::string, std::string>;

void TakeMessage(const Descriptor& message, TakenNames& taken) {
  taken.emplace(cpp::ClassName(&message), absl::StrCat("message ", message.full_name()));
  for (int i = 0; i < message.nested_type_count(); ++i) TakeMessage(*message.nested_type(i), taken);
  for (int i = 0; i < message.enum_type_count(); ++i) {
    taken.emplace(cpp::ClassName(message.enum_type(i)),
                  absl::StrCat("enum ", message.enum_type(i)->full_name()));
  }
}

// The messages, enums and enum values that share the namespace of `package`: of `file` and of all that it
// imports.
void TakeFile(const FileDescriptor& file, const std::string& package,
              std::set<const FileDescriptor*>& visited, TakenNames& taken) {
  if (!visited.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) TakeFile(*file.dependency(i), package, visited, taken);
  if (file.package() != package) return;
  for (int i = 0; i < file.message_type_count(); ++i) TakeMessage(*file.message_type(i), taken);
  for (int i = 0; i < file.enum_type_count(); ++i) {
    const google::protobuf::EnumDescriptor& type = *file.enum_type(i);
    taken.emplace(cpp::ClassName(&type), absl::StrCat("enum ", type.full_name()));
    for (int j = 0; j < type.value_count(); ++j) {
      taken.emplace(cpp::EnumValueName(type.value(j)),
                    absl::StrCat("enum value ", type.value(j)->full_name()));
    }
  }
}

absl::Status CheckPath(const File& file) {
  if (file.proto_path.find_first_of("\"\\\n\r") == std::string::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the file's name holds a quote, a backslash or a line break, which no #include can; rename the file.");
}

absl::Status CheckPackage(const FileDescriptor& descriptor, const File& file) {
  for (const std::string& part : file.namespaces) {
    if (!IsKeyword(part)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("package ", descriptor.package(), ": \"", part,
                     "\" is reserved in C++, and protobuf's own C++ code for such a "
                     "package does not compile; rename that part of the package."));
  }
  if (descriptor.options().cc_generic_services()) {
    return absl::InvalidArgumentError(
        "option cc_generic_services makes protobuf declare classes of the same names as Sidecall's; remove "
        "the option.");
  }
  return absl::OkStatus();
}

// Names that Sidecall itself, or the libraries it uses, have in the namespace of the file.
absl::Status CheckForeignNames(const FileDescriptor& descriptor, const TakenNames& taken) {
  for (const auto& [name, owner] : taken) {
    if (descriptor.package() == "sidecall" && IsRuntimeName(name)) {
      return absl::InvalidArgumentError(absl::StrCat(owner, ": Sidecall's own headers declare ::sidecall::",
                                                     name, "; rename it, or use another package."));
    }
    if (descriptor.package().empty() && IsGlobalNamespace(name)) {
      return absl::InvalidArgumentError(absl::StrCat(owner, ": its C++ class would hide namespace ::", name,
                                                     "; rename it, or give the file a package."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMethods(const Service& service) {
  std::map<std::string, std::string> taken;
  for (const Method& method : service.methods) {
    const auto [other, inserted] = taken.emplace(method.name, method.full_name);
    if (inserted) continue;
    return absl::InvalidArgumentError(absl::StrCat("methods ", other->second, " and ", method.full_name,
                                                   " both become the C++ function ", method.name,
                                                   "; rename one of them."));
  }
  return absl::OkStatus();
}

absl::Status TakeService(const Service& service, TakenNames& taken) {
  for (const std::string& name : {service.name, service.table_name, service.entries_name}) {
    const auto [other, inserted] = taken.emplace(name, absl::StrCat("service ", service.full_name));
    if (inserted) continue;
    return absl::InvalidArgumentError(absl::StrCat("service ", service.full_name, " and ", other->second,
                                                   " both use the C++ name ", name, "; rename one of them."));
  }
  return CheckMethods(service);
}

}  // namespace

absl::Status CheckClashes(const FileDescriptor& descriptor, const File& file) {
  absl::Status status = CheckPath(file);
  // A file of messages alone is protobuf's business.
  if (!status.ok() || file.services.empty()) return status;
  status = CheckPackage(descriptor, file);
  TakenNames taken;
  std::set<const FileDescriptor*> visited;
  TakeFile(descriptor, descriptor.package(), visited, taken);
  for (const Service& service : file.services) {
    if (status.ok()) status = TakeService(service, taken);
  }
  if (status.ok()) status = CheckForeignNames(descriptor, taken);
  return status;
}

}  // namespace sidecall::codegen
