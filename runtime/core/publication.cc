#include "core/publication.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "transport/address.h"
#include "transport/all_transports.h"

namespace sidecall {
namespace {

std::vector<std::string> Split(std::string_view list) {
  return absl::StrSplit(absl::string_view(list.data(), list.size()), absl::ByAnyChar(", "),
                        absl::SkipEmpty());
}

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

// Who runs a program has the last word on what it is built to do.
std::vector<std::string> TransportsToServe(const PublishOptions& options) {
  const char* environment = std::getenv("SIDECALL_SERVE");
  return environment != nullptr && *environment != '\0' ? Split(environment) : options.transports;
}

// What the server is told to serve, in that order, of those that the service's .proto names.
absl::StatusOr<std::vector<std::string>> TransportsOf(const Service& service,
                                                      const std::vector<std::string>& served) {
  const std::string_view named = service.traits().transports;
  const std::vector<std::string> preferred = named.empty() ? DefaultTransports() : Split(named);
  if (served.empty()) return preferred;
  std::vector<std::string> both;
  for (const std::string& scheme : served) {
    if (Contains(preferred, scheme)) both.push_back(scheme);
  }
  if (!both.empty()) return both;
  return absl::FailedPreconditionError(
      absl::StrCat(std::string(service.name()), " is to be served over ", absl::StrJoin(preferred, ", "),
                   ", as its .proto says, and the server over ", absl::StrJoin(served, ", "),
                   " (SIDECALL_SERVE or PublishOptions::transports): nothing is left"));
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

absl::StatusOr<const Transport*> TransportOfScheme(const std::string& scheme) {
  Address address;
  address.text = scheme;
  address.scheme = scheme;
  return FindTransport(address);
}

// Whether other processes can connect to it. One that is no address is found out when it is listened at.
bool IsShared(const std::string& text) {
  auto address = Address::Parse(text);
  if (!address.ok()) return false;
  auto transport = FindTransport(*address);
  return transport.ok() && !(*transport)->AddressIn("", "").empty();
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

absl::StatusOr<Publication> Publication::Prepare(const std::vector<Service*>& services,
                                                 const std::vector<std::string>& addresses,
                                                 const PublishOptions& options) {
  absl::Status valid = CheckOptions(options);
  if (!valid.ok()) return valid;
  auto directory = OpenServersDirectory();
  if (!directory.ok()) return directory.status();
  if (addresses.empty()) {
    auto sockets = directory->OpenOrMakeSub("sockets");
    if (!sockets.ok()) return sockets.status();
  }
  auto reserved = OwnRegistration::Reserve(*std::move(directory));
  if (!reserved.ok()) return reserved.status();
  Publication result;
  result.registration_ = *std::move(reserved);
  auto& content = result.content_;
  content.set_instance(options.instance);
  content.set_weight(std::max(options.weight, 1u));
  for (const auto& [key, value] : options.labels) (*content.mutable_labels())[key] = value;
  const std::vector<std::string> served = TransportsToServe(options);
  for (const Service* service : services) {
    if (addresses.empty()) {
      absl::Status added = result.AddService(*service, served, options.exclusive);
      if (!added.ok()) return added;
      continue;
    }
    auto& entry = AddEntry(content, *service, options.exclusive);
    for (const std::string& address : addresses) {
      if (IsShared(address)) entry.add_addresses(address);
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
absl::Status Publication::AddService(const Service& service, const std::vector<std::string>& served,
                                     bool exclusive) {
  auto transports = TransportsOf(service, served);
  if (!transports.ok()) return transports.status();
  auto& entry = AddEntry(content_, service, exclusive);
  for (const std::string& scheme : *transports) {
    auto transport = TransportOfScheme(scheme);
    if (!transport.ok()) return transport.status();
    const std::string address =
        (*transport)->AddressIn(registration_->directory_path() + "/sockets", registration_->id());
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
