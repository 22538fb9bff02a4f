#include "transports/pipe/pipe_transport.h"

#include <string>

#include "transports/pipe/fifo_connect.h"
#include "transports/pipe/fifo_listener.h"

namespace sidecall {
namespace {

class PipeTransport final : public Transport {
 public:
  std::string_view scheme() const override { return "pipe"; }
  std::string AddressIn(const std::string& directory, const std::string& name) const override {
    return "pipe:" + directory + "/" + name + ".pipe";
  }
  // unix does all that it does, and between users.
  bool by_default() const override { return false; }

  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t deadline_nanos,
                                                      int cancel_descriptor) const override {
    absl::Status options = address.CheckOptions("");
    if (!options.ok()) return options;
    return ConnectFifo(address.rest, deadline_nanos, cancel_descriptor);
  }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    absl::Status options = address.CheckOptions("");
    if (!options.ok()) return options;
    return FifoListener::Listen(address.rest);
  }
};

}  // namespace

std::unique_ptr<const Transport> MakePipeTransport() {
  return std::make_unique<PipeTransport>();
}

}  // namespace sidecall
