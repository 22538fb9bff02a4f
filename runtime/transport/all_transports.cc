#include "transport/all_transports.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace sidecall {

std::span<const std::unique_ptr<const Transport>> AllTransports() {
  // Never destroyed: threads may outlive static destruction.
  static const auto* all = new std::vector<std::unique_ptr<const Transport>>(MakeAllTransports());
  return *all;
}

absl::StatusOr<const Transport*> FindTransport(const Address& address) {
  std::string known;
  for (const auto& transport : AllTransports()) {
    if (transport->scheme() == address.scheme) return transport.get();
    absl::StrAppend(&known, known.empty() ? "" : ", ", std::string(transport->scheme()));
  }
  return absl::InvalidArgumentError(absl::StrCat("'", address.text, "': no transport is called '",
                                                 address.scheme, "'. There are: ", known));
}

absl::StatusOr<const Transport*> FindTransportOfScheme(const std::string& scheme) {
  Address address;
  address.text = scheme;
  address.scheme = scheme;
  return FindTransport(address);
}

}  // namespace sidecall
