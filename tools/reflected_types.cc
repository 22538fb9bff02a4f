#include "reflected_types.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecall/client_context.h"

namespace sidecall::tools {

ReflectedTypes::ReflectedTypes(std::shared_ptr<Channel> channel, absl::Time deadline)
    : stub_(std::move(channel)), deadline_(deadline), pool_(this, this) {}

absl::StatusOr<std::vector<std::string>> ReflectedTypes::ListServices() {
  Request request;
  request.set_list_services("");
  Response response;
  std::vector<std::string> names;
  if (Ask(request, response)) {
    for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  }
  if (!status_.ok()) return status_;
  return names;
}

bool ReflectedTypes::FindFileByName(const std::string& name, FileProto* file) {
  if (const auto known = files_.find(name); known != files_.end()) {
    *file = known->second;
    return true;
  }
  Request request;
  request.set_file_by_filename(name);
  return AskForFile(request, file);
}

bool ReflectedTypes::FindFileContainingSymbol(const std::string& symbol, FileProto* file) {
  Request request;
  request.set_file_containing_symbol(symbol);
  return AskForFile(request, file);
}

bool ReflectedTypes::FindFileContainingExtension(const std::string& containing_type, int number,
                                                 FileProto* file) {
  Request request;
  request.mutable_file_containing_extension()->set_containing_type(containing_type);
  request.mutable_file_containing_extension()->set_extension_number(number);
  return AskForFile(request, file);
}

bool ReflectedTypes::FindAllExtensionNumbers(const std::string& type, std::vector<int>* numbers) {
  Request request;
  request.set_all_extension_numbers_of_type(type);
  Response response;
  if (!Ask(request, response)) return false;
  const auto& found = response.all_extension_numbers_response().extension_number();
  numbers->assign(found.begin(), found.end());
  return true;
}

void ReflectedTypes::AddError(const std::string& file, const std::string& element,
                              const google::protobuf::Message* /*descriptor*/, ErrorLocation /*location*/,
                              const std::string& message) {
  if (!status_.ok()) return;  // What follows is of the first.
  status_ = absl::DataLossError(
      absl::StrCat("the server's description of ", file, " is none: ", element, ": ", message));
}

bool ReflectedTypes::AskForFile(const Request& request, FileProto* file) {
  Response response;
  if (!Ask(request, response)) return false;
  bool first = true;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    FileProto parsed;
    if (!parsed.ParseFromString(bytes)) {
      status_ = absl::DataLossError("the server's description of a file cannot be parsed");
      return false;
    }
    if (std::exchange(first, false)) *file = parsed;
    files_.try_emplace(parsed.name(), std::move(parsed));
  }
  return !first;
}

bool ReflectedTypes::Ask(const Request& request, Response& response) {
  if (!status_.ok()) return false;
  status_ = Converse(request, response);
  if (!status_.ok() || !response.has_error_response()) return status_.ok();
  const auto& error = response.error_response();
  const auto code = static_cast<absl::StatusCode>(error.error_code());
  if (code != absl::StatusCode::kNotFound) status_ = absl::Status(code, error.error_message());
  return false;
}

absl::Status ReflectedTypes::Converse(const Request& request, Response& response) {
  ClientContext context;
  context.set_deadline(deadline_);
  const auto stream = stub_.ServerReflectionInfo(&context);
  const bool answered = stream->Write(request) && stream->WritesDone() && stream->Read(&response);
  absl::Status status = stream->Finish();
  if (absl::IsUnimplemented(status)) {
    return absl::UnimplementedError(absl::StrCat("the server tells nobody what its services look like (",
                                                 status.message(),
                                                 "). Let it, with ServerOptions::reflection"));
  }
  if (status.ok() && !answered) return absl::DataLossError("the server's answer is none");
  return status;
}

}  // namespace sidecall::tools
