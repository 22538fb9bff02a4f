// ReflectedTypes: the types of a server, asked for over a channel to any of its services, as they are needed.
//
//   ReflectedTypes types(channel, deadline);
//   const auto* service = types.pool().FindServiceByName("hello.Greeter");
//   if (service == nullptr) return types.status();  // OK: the server knows no such service
//
// Thread-safety: one thread.
#ifndef SIDECALL_TOOLS_REFLECTED_TYPES_H_
#define SIDECALL_TOOLS_REFLECTED_TYPES_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sidecall/channel.h"
#include "sidecall/reflection.sidecall.h"

namespace sidecall::tools {

// Of a server and a service that it has, and describes to nobody.
inline constexpr char kNotReflected[] =
    "but does not know what it looks like: it is not built from a .proto with descriptors (optimize_for = "
    "LITE_RUNTIME)";

class ReflectedTypes final : private google::protobuf::DescriptorDatabase,
                             private google::protobuf::DescriptorPool::ErrorCollector {
 public:
  // Every question has an answer by `deadline`, or none.
  ReflectedTypes(std::shared_ptr<Channel> channel, absl::Time deadline);

  // Looks up what it does not have at the server.
  const google::protobuf::DescriptorPool& pool() const { return pool_; }
  // Why the server could not be asked, or what is wrong with its answer. OK where it answered, be it that it
  // knows no such thing.
  const absl::Status& status() const { return status_; }

  // The names of the server's services.
  absl::StatusOr<std::vector<std::string>> ListServices();

 private:
  using Request = sidecall_reflection::ServerReflectionRequest;
  using Response = sidecall_reflection::ServerReflectionResponse;
  using FileProto = google::protobuf::FileDescriptorProto;

  bool FindFileByName(const std::string& name, FileProto* file) override;
  bool FindFileContainingSymbol(const std::string& symbol, FileProto* file) override;
  bool FindFileContainingExtension(const std::string& containing_type, int number, FileProto* file) override;
  bool FindAllExtensionNumbers(const std::string& type, std::vector<int>* numbers) override;
  void AddError(const std::string& file, const std::string& element,
                const google::protobuf::Message* descriptor, ErrorLocation location,
                const std::string& message) override;

  // False, with the reason in status_, where there is no answer; and where the server knows no such thing.
  bool Ask(const Request& request, Response& response);
  bool AskForFile(const Request& request, FileProto* file);
  absl::Status Converse(const Request& request, Response& response);

  const sidecall_reflection::ServerReflection::Stub stub_;
  const absl::Time deadline_;
  absl::Status status_;
  std::map<std::string, FileProto> files_;  // that came with others
  google::protobuf::DescriptorPool pool_;   // goes first
};

}  // namespace sidecall::tools

#endif  // SIDECALL_TOOLS_REFLECTED_TYPES_H_
