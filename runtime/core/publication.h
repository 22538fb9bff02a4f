// Publication: what a server registers, put together before it listens, since where it listens is a part of
// it.
#ifndef SIDECALL_CORE_PUBLICATION_H_
#define SIDECALL_CORE_PUBLICATION_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/own_registration.h"
#include "sidecall/server.h"
#include "sidecall/service.h"

namespace sidecall {

class Publication {
 public:
  // Opens the registry's directory, and chooses each service's addresses: of `addresses`, or, where there are
  // none, of places of the server's own. INVALID_ARGUMENT for a transport that there is not, or that names no
  // place; FAILED_PRECONDITION where no transport is left.
  static absl::StatusOr<Publication> Prepare(const std::vector<Service*>& services,
                                             const std::vector<std::string>& addresses,
                                             const PublishOptions& options);

  // Where the server is to listen, if it is given no addresses.
  const std::vector<std::string>& own_addresses() const { return own_addresses_; }

  // Clients find it from now on.
  absl::StatusOr<std::unique_ptr<OwnRegistration>> Register() && {
    absl::Status published = registration_->Publish(std::move(content_));
    if (!published.ok()) return published;
    return std::move(registration_);
  }

 private:
  Publication() = default;
  absl::Status AddService(const Service& service, const std::vector<std::string>& served, bool exclusive);

  std::unique_ptr<OwnRegistration> registration_;  // reserved
  sidecall_registry::Registration content_;
  std::vector<std::string> own_addresses_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_PUBLICATION_H_
