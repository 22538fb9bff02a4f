// What a config file says, checked line by line.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/config_file.h"
#include "registry/registration_file.h"
#include "sidecall/config.pb.h"
#include "transport/all_transports.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

using google::protobuf::Message;
using google::protobuf::TextFormat;

// The first error of the parser; it speaks of lines from 0 on.
class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (message_.empty()) message_ = absl::StrCat(line + 1, ":", column + 1, ": ", message);
  }
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

// A message of the file, and where each of its fields stands there.
class Place {
 public:
  Place(const std::string& path, const Message& message, const TextFormat::ParseInfoTree& lines)
      : path_(path), message_(message), lines_(lines) {}

  // "/etc/sidecall/config.textproto:12:3"
  std::string Of(const std::string& field, int index = -1) const {
    TextFormat::ParseLocation found = lines_.GetLocation(Descriptor(field), index);
    // Of a list in brackets only its beginning is known.
    if (found.line < 0) found = lines_.GetLocation(Descriptor(field), 0);
    return absl::StrCat(path_, ":", found.line + 1, ":", found.column + 1);
  }
  absl::Status Error(const std::string& field, int index, const std::string& why) const {
    return absl::InvalidArgumentError(absl::StrCat(Of(field, index), ": ", why));
  }
  Place Nested(const std::string& field, int index, const Message& message) const {
    return {path_, message, *lines_.GetTreeForNested(Descriptor(field), index)};
  }

 private:
  const google::protobuf::FieldDescriptor* Descriptor(const std::string& field) const {
    return message_.GetDescriptor()->FindFieldByName(field);
  }

  const std::string& path_;
  const Message& message_;
  const TextFormat::ParseInfoTree& lines_;
};

std::vector<std::string> Schemes() {
  std::vector<std::string> schemes;
  for (const auto& transport : AllTransports()) schemes.emplace_back(transport->scheme());
  return schemes;
}

absl::StatusOr<std::optional<Config::Transports>> TransportsOf(
    const google::protobuf::RepeatedPtrField<std::string>& listed, const std::string& field,
    const Place& place) {
  if (listed.empty()) return std::nullopt;
  const std::vector<std::string> known = Schemes();
  for (int i = 0; i < listed.size(); i++) {
    if (std::find(known.begin(), known.end(), listed[i]) != known.end()) continue;
    return place.Error(
        field, i,
        absl::StrCat("there is no transport '", listed[i], "'. There are: ", absl::StrJoin(known, ", ")));
  }
  return Config::Transports{.schemes = {listed.begin(), listed.end()}, .place = place.Of(field, 0)};
}

// Of a name that the system's data base knows, by `look`, as getpwnam_r or getgrnam_r; or a number.
// NOT_FOUND, or why the data base does not answer.
template <typename Entry, typename Look>
absl::StatusOr<uint32_t> NumberOf(const std::string& name, const Look& look, uint32_t Entry::*number) {
  uint32_t given = 0;
  if (absl::SimpleAtoi(name, &given)) return given;
  std::vector<char> memory(1024);
  Entry entry;
  for (;;) {
    Entry* found = nullptr;
    const int error = look(name.c_str(), &entry, memory.data(), memory.size(), &found);
    if (found != nullptr) return found->*number;
    if (error == ERANGE) {
      memory.resize(memory.size() * 4);
    } else if (error != EINTR) {
      const bool answered = error == 0 || error == ENOENT || error == ESRCH;
      return answered ? absl::NotFoundError("") : ErrnoStatus(error, "look up '" + name + "'");
    }
  }
}

std::string Unknown(const char* what, const std::string& name, const absl::Status& why) {
  return absl::IsNotFound(why) ? absl::StrCat("there is no ", what, " '", name, "'")
                               : std::string(why.message());
}

absl::StatusOr<Config::Access> AccessOf(const sidecall_config::Access& access, const Place& place,
                                        std::string where) {
  Config::Access result;
  if (access.anyone()) result.rule = AccessRule::Anyone();
  for (int i = 0; i < access.user_size(); i++) {
    const auto uid = NumberOf(access.user(i), getpwnam_r, &passwd::pw_uid);
    if (!uid.ok()) return place.Error("user", i, Unknown("user", access.user(i), uid.status()));
    result.rule.uids.push_back(*uid);
  }
  for (int i = 0; i < access.group_size(); i++) {
    const auto gid = NumberOf(access.group(i), getgrnam_r, &group::gr_gid);
    if (!gid.ok()) return place.Error("group", i, Unknown("group", access.group(i), gid.status()));
    result.rule.gids.push_back(*gid);
  }
  result.place = std::move(where);
  return result;
}

absl::Status AddMethods(const sidecall_config::Service& service, const Place& place,
                        Config::Service& result) {
  for (int i = 0; i < service.method_size(); i++) {
    const auto& method = service.method(i);
    const Place inner = place.Nested("method", i, method);
    if (method.name().empty() || method.name().find('/') != std::string::npos) {
      return place.Error("method", i,
                         "a method has no name, or more than it. Write it as name: \"SayHello\"");
    }
    if (service.name() == "*")
      return place.Error("method", i, "every service has methods of its own: name the service");
    if (!method.has_access())
      return place.Error("method", i, absl::StrCat("nothing is said of ", method.name()));
    auto access = AccessOf(method.access(), inner.Nested("access", -1, method.access()), inner.Of("access"));
    if (!access.ok()) return access.status();
    if (!result.methods.emplace(method.name(), *std::move(access)).second) {
      return place.Error("method", i, absl::StrCat(method.name(), " is there twice"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Config::Service> ServiceOf(const sidecall_config::Service& service, const Place& place) {
  Config::Service result;
  auto serve = TransportsOf(service.serve(), "serve", place);
  if (!serve.ok()) return serve.status();
  auto take = TransportsOf(service.transports(), "transports", place);
  if (!take.ok()) return take.status();
  result.serve = *std::move(serve);
  result.take = *std::move(take);
  if (service.has_access()) {
    auto access =
        AccessOf(service.access(), place.Nested("access", -1, service.access()), place.Of("access"));
    if (!access.ok()) return access.status();
    result.access = *std::move(access);
  }
  absl::Status added = AddMethods(service, place, result);
  if (!added.ok()) return added;
  return result;
}

}  // namespace

absl::StatusOr<Config> ParseConfig(const std::string& text, const std::string& path) {
  sidecall_config::Config message;
  TextFormat::ParseInfoTree lines;
  FirstError error;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.WriteLocationsTo(&lines);
  if (!parser.ParseFromString(text, &message)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", error.message()));
  }
  Config config;
  config.path = path;
  const Place place(path, message, lines);
  for (int i = 0; i < message.service_size(); i++) {
    const auto& service = message.service(i);
    if (service.name() != "*") {
      absl::Status valid = CheckServiceName(service.name());
      if (!valid.ok()) return place.Error("service", i, std::string(valid.message()));
    }
    auto added = ServiceOf(service, place.Nested("service", i, service));
    if (!added.ok()) return added.status();
    if (!config.services.emplace(service.name(), *std::move(added)).second) {
      return place.Error("service", i, absl::StrCat(service.name(), " is there twice"));
    }
  }
  return config;
}

}  // namespace sidecall
