#include "core/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/server_call.h"
#include "core/shown.h"
#include "sidecall/internal/handler.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using sidecall_reflection::ServerReflectionRequest;
using sidecall_reflection::ServerReflectionResponse;

constexpr int64_t kLongestStream = 10'000'000'000;
// No .proto has longer names. They are not looked for, and not sent back.
constexpr size_t kLongestName = 1024;
constexpr size_t kLargestEcho = 4096;

// What may be looked for: the pool would hash and compare whatever a peer sends.
bool MayExist(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName;
}

void SetError(ServerReflectionResponse& response, absl::StatusCode code, const std::string& message) {
  auto& error = *response.mutable_error_response();
  error.set_error_code(static_cast<int32_t>(code));
  error.set_error_message(message);
}

void SetNotFound(ServerReflectionResponse& response, const std::string& what) {
  SetError(response, absl::StatusCode::kNotFound, absl::StrCat("this server knows no ", what));
}

// The file first, then what it imports, each once.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>& added,
             sidecall_reflection::FileDescriptorResponse& response) {
  if (!added.insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(response.add_file_descriptor_proto());
  for (int i = 0; i < file.dependency_count(); i++) AddFile(*file.dependency(i), added, response);
}

// `file`, or that there is no `what`.
void SetFile(ServerReflectionResponse& response, const FileDescriptor* file, const std::string& what) {
  if (file == nullptr) return SetNotFound(response, what);
  std::set<const FileDescriptor*> added;
  AddFile(*file, added, *response.mutable_file_descriptor_response());
}

void SetFileByName(ServerReflectionResponse& response, const std::string& name) {
  const auto* file = MayExist(name) ? DescriptorPool::generated_pool()->FindFileByName(name) : nullptr;
  SetFile(response, file, absl::StrCat("file ", Shown(name)));
}

void SetFileOfSymbol(ServerReflectionResponse& response, const std::string& symbol) {
  const auto* pool = DescriptorPool::generated_pool();
  const auto* file = MayExist(symbol) ? pool->FindFileContainingSymbol(symbol) : nullptr;
  SetFile(response, file, absl::StrCat("symbol ", Shown(symbol)));
}

const Descriptor* MessageOfName(const std::string& name) {
  return MayExist(name) ? DescriptorPool::generated_pool()->FindMessageTypeByName(name) : nullptr;
}

void SetFileOfExtension(ServerReflectionResponse& response,
                        const sidecall_reflection::ExtensionRequest& request) {
  const Descriptor* type = MessageOfName(request.containing_type());
  if (type == nullptr) return SetNotFound(response, "message " + Shown(request.containing_type()));
  const FieldDescriptor* extension =
      DescriptorPool::generated_pool()->FindExtensionByNumber(type, request.extension_number());
  SetFile(response, extension == nullptr ? nullptr : extension->file(),
          absl::StrCat("extension ", request.extension_number(), " of ", type->full_name()));
}

void SetExtensionNumbers(ServerReflectionResponse& response, const std::string& name) {
  const Descriptor* type = MessageOfName(name);
  if (type == nullptr) return SetNotFound(response, "message " + Shown(name));
  std::vector<const FieldDescriptor*> extensions;
  DescriptorPool::generated_pool()->FindAllExtensions(type, &extensions);
  auto& numbers = *response.mutable_all_extension_numbers_response();
  numbers.set_base_type_name(type->full_name());
  for (const FieldDescriptor* extension : extensions) numbers.add_extension_number(extension->number());
}

}  // namespace

ReflectionService::ReflectionService(const std::vector<sidecall::Service*>& services, int32_t most_streams)
    : most_streams_(most_streams) {
  for (const sidecall::Service* service : services) names_.push_back(service->name());
  names_.push_back(name());
  std::sort(names_.begin(), names_.end());
}

void ReflectionService::Handle(sidecall::Service& service, internal::ServerCall& call) {
  // All calls of this runtime's servers are of this class.
  static_cast<FrameServerCall&>(call).LimitDeadline(MonotonicNanos() + kLongestStream);
  internal::HandleBidirectionalStreaming<ReflectionService, ServerReflectionRequest, ServerReflectionResponse,
                                         &ReflectionService::ServerReflectionInfo>(service, call);
}

absl::Status ReflectionService::ServerReflectionInfo(
    ServerContext* /*context*/,
    ServerReaderWriter<ServerReflectionResponse, ServerReflectionRequest>* stream) {
  struct Counted {
    explicit Counted(std::atomic<int32_t>& count) : count(count), before(count.fetch_add(1)) {}
    ~Counted() { count.fetch_sub(1); }
    std::atomic<int32_t>& count;
    const int32_t before;
  };
  const Counted counted(open_streams_);
  if (counted.before >= most_streams_) {
    return absl::ResourceExhaustedError(absl::StrCat(most_streams_, " streams of ", std::string(name()),
                                                     " are open, and more may not be. Try later"));
  }
  ServerReflectionRequest request;
  while (stream->Read(&request)) {
    if (!stream->Write(Answer(request))) break;
  }
  return absl::OkStatus();
}

ServerReflectionResponse ReflectionService::Answer(const ServerReflectionRequest& request) const {
  ServerReflectionResponse response;
  if (request.ByteSizeLong() <= kLargestEcho) {
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
  }
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      SetFileByName(response, request.file_by_filename());
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      SetFileOfSymbol(response, request.file_containing_symbol());
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      SetFileOfExtension(response, request.file_containing_extension());
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      SetExtensionNumbers(response, request.all_extension_numbers_of_type());
      break;
    case ServerReflectionRequest::kListServices: {
      auto& services = *response.mutable_list_services_response();
      for (const std::string_view name : names_) services.add_service()->set_name(std::string(name));
      break;
    }
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      SetError(response, absl::StatusCode::kInvalidArgument,
               "the request asks for nothing that this server knows of");
      break;
  }
  return response;
}

}  // namespace sidecall
