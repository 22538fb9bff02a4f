// Publication: what a server registers, put together before it listens, since where it listens is a part of
// it.
#ifndef SIDECALL_CORE_PUBLICATION_H_
#define SIDECALL_CORE_PUBLICATION_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/config_file.h"
#include "registry/own_registration.h"
#include "sidecall/server.h"
#include "sidecall/service.h"

namespace sidecall {

// Where the sockets are of a server that listens at places of its own choice.
struct SocketsPlace {
  std::string directory;
  std::string id;           // what their names begin with, before a dot
  bool for_others = false;  // who may come into the directory: there is something to open
  bool guarded = false;     // others may come in, of a group at least: what has no rule is not for them

  // Lets everybody connect.
  absl::Status OpenToOthers() const;
};

class Publication {
 public:
  // Opens the registry's directory, and chooses each service's addresses: of `addresses`, or, where there are
  // none, of places of the server's own. INVALID_ARGUMENT for a transport that there is not, or that names no
  // place; FAILED_PRECONDITION where no transport is left.
  static absl::StatusOr<Publication> Prepare(const std::vector<Service*>& services,
                                             const std::vector<std::string>& addresses,
                                             const PublishOptions& options, const Config& config);

  // Where the server is to listen, if it is given no addresses.
  const std::vector<std::string>& own_addresses() const { return own_addresses_; }

  const SocketsPlace& sockets_place() const { return sockets_place_; }

  // Clients find it from now on. `listen_anew` is called for a place of the server's own that was taken away.
  absl::StatusOr<std::unique_ptr<OwnRegistration>> Register(OwnSockets::ListenAnew listen_anew) && {
    absl::Status published = registration_->Publish(std::move(content_), std::move(listen_anew));
    if (!published.ok()) return published;
    return std::move(registration_);
  }

 private:
  Publication() = default;
  absl::Status AddService(const Service& service, const PublishOptions& options, const Config& config);

  std::unique_ptr<OwnRegistration> registration_;  // reserved
  sidecall_registry::Registration content_;
  std::vector<std::string> own_addresses_;
  SocketsPlace sockets_place_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_PUBLICATION_H_
