#include "core/publication.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/transport_choice.h"
#include "registry/registration_file.h"
#include "transport/address.h"
#include "transport/all_transports.h"
#include "transport/errno_status.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// In their order of preference.
std::vector<std::string> DefaultTransports() {
  std::vector<std::string> schemes;
  for (const auto& transport : AllTransports()) {
    if (transport->by_default()) schemes.emplace_back(transport->scheme());
  }
  return schemes;
}

// What the server is told to serve, in that order, of those that the service's .proto names.
absl::StatusOr<std::vector<std::string>> TransportsOf(const Service& service, const PublishOptions& options,
                                                      const Config& config) {
  const std::string_view named = service.traits().transports;
  const std::vector<std::string> preferred = named.empty() ? DefaultTransports() : SplitTransports(named);
  const TransportChoice served = ChooseTransports("SIDECALL_SERVE", config.Serve(service.name()),
                                                  options.transports, "PublishOptions::transports");
  if (served.schemes.empty()) return preferred;
  absl::Status known = CheckTransports(served);
  if (!known.ok()) return known;
  std::vector<std::string> both;
  for (const std::string& scheme : served.schemes) {
    if (Contains(preferred, scheme)) both.push_back(scheme);
  }
  if (!both.empty()) return both;
  return absl::FailedPreconditionError(
      absl::StrCat(std::string(service.name()), " is to be served over ", absl::StrJoin(preferred, ", "),
                   ", as its .proto says, and the server over ", absl::StrJoin(served.schemes, ", "), " (",
                   served.said_by, "): nothing is left. Let them have one in common"));
}

// What no target could name is not to be published.
absl::Status CheckOptions(const PublishOptions& options) {
  const auto contains = [](const std::string& text, const char* any) {
    return text.find_first_of(any) != std::string::npos;
  };
  if (contains(options.instance, "?@")) {
    return absl::InvalidArgumentError(
        absl::StrCat("PublishOptions: the instance '", options.instance, "' has a '?' or '@' in it"));
  }
  for (const auto& [key, value] : options.labels) {
    if (!key.empty() && !contains(key, "&=") && !contains(value, "&")) continue;
    return absl::InvalidArgumentError(absl::StrCat("PublishOptions: the label '", key, "'='", value,
                                                   "' has no name, or a '&' or '=' where a target has them"));
  }
  return absl::OkStatus();
}

// Where other processes connect, of an address that is listened at; empty where they cannot. One that is no
// address is found out when it is listened at.
std::string SharedAddress(const std::string& text) {
  auto address = Address::Parse(text);
  if (!address.ok()) return "";
  auto transport = FindTransport(*address);
  const bool shared = transport.ok() && !(*transport)->AddressIn("", "").empty();
  return shared ? address->ForClients() : "";
}

sidecall_registry::Service& AddEntry(sidecall_registry::Registration& content, const Service& service,
                                     bool exclusive) {
  auto& entry = *content.add_services();
  entry.set_name(std::string(service.name()));
  entry.set_schema_hash(service.traits().schema_hash);
  entry.set_exclusive(exclusive);
  return entry;
}

}  // namespace

absl::Status SocketsPlace::OpenToOthers() const {
  const UniqueFd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.valid() && errno == ENOENT) return absl::OkStatus();
  if (!folder.valid()) return ErrnoStatus(errno, "open " + directory);
  auto names = ListDirectory(folder.get());
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    struct stat found {};
    // What is no socket tells nobody who connects, and stays its owner's.
    const bool ours = name.starts_with(id + ".") &&
                      fstatat(folder.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISSOCK(found.st_mode);
    // One that has just gone is made anew, or its server ends.
    if (ours && fchmodat(folder.get(), name.c_str(), 0666, 0) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, absl::StrCat("chmod ", directory, "/", name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Publication> Publication::Prepare(const std::vector<Service*>& services,
                                                 const std::vector<std::string>& addresses,
                                                 const PublishOptions& options, const Config& config) {
  absl::Status valid = CheckOptions(options);
  if (!valid.ok()) return valid;
  auto directory = OpenServersDirectory();
  if (!directory.ok()) return directory.status();
  if (addresses.empty()) {
    auto sockets = directory->OpenOrMakeSub("sockets");
    if (!sockets.ok()) return sockets.status();
  }
  const bool for_others = directory->open_to_others() && addresses.empty();
  const bool guarded = directory->others_may_enter() && addresses.empty();
  auto reserved = OwnRegistration::Reserve(*std::move(directory));
  if (!reserved.ok()) return reserved.status();
  Publication result;
  result.sockets_place_ = {.directory = (*reserved)->directory_path() + "/sockets",
                           .id = (*reserved)->id(),
                           .for_others = for_others,
                           .guarded = guarded};
  result.registration_ = *std::move(reserved);
  auto& content = result.content_;
  content.set_instance(options.instance);
  content.set_weight(std::max(options.weight, 1u));
  for (const auto& [key, value] : options.labels) (*content.mutable_labels())[key] = value;
  for (const Service* service : services) {
    if (addresses.empty()) {
      absl::Status added = result.AddService(*service, options, config);
      if (!added.ok()) return added;
      continue;
    }
    auto& entry = AddEntry(content, *service, options.exclusive);
    for (const std::string& address : addresses) {
      const std::string shared = SharedAddress(address);
      if (!shared.empty()) entry.add_addresses(shared);
    }
    if (entry.addresses().empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("no other process can connect to ", absl::StrJoin(addresses, ", "),
                       ": there is nothing to register. Leave out Publish, or add an address"));
    }
  }
  return result;
}

// At places of the server's own, which services share.
absl::Status Publication::AddService(const Service& service, const PublishOptions& options,
                                     const Config& config) {
  auto transports = TransportsOf(service, options, config);
  if (!transports.ok()) return transports.status();
  auto& entry = AddEntry(content_, service, options.exclusive);
  for (const std::string& scheme : *transports) {
    auto transport = FindTransportOfScheme(scheme);
    if (!transport.ok()) return transport.status();
    const std::string address = (*transport)->AddressIn(sockets_place_.directory, sockets_place_.id);
    if (address.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(std::string(service.name()), " is to be served over ",
                                                     scheme,
                                                     ", which no other process can connect to: it cannot be "
                                                     "registered. Give it an address, with AddAddress"));
    }
    entry.add_addresses(address);
    if (!Contains(own_addresses_, address)) own_addresses_.push_back(address);
  }
  return absl::OkStatus();
}

}  // namespace sidecall
