// transports_server: counts what is in stock, until SIGINT or SIGTERM. Nothing in it says over which
// transport.
#include <csignal>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "inventory.sidecall.h"
#include "sidecall/sidecall.h"

namespace inventory {
namespace {

class InventoryImpl final : public Inventory::Service {
  absl::Status CountOf(sidecall::ServerContext*, const Item* request, Count* reply) override {
    const auto found = stock_.find(request->name());
    if (found == stock_.end()) return absl::NotFoundError("there are no " + request->name());
    reply->set_pieces(found->second);
    return absl::OkStatus();
  }

  const std::map<std::string, int> stock_ = {{"apples", 7}, {"pears", 12}};
};

absl::Status Serve() {
  // Blocked before there are threads, so that every thread inherits it and sigwait alone gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  InventoryImpl inventory;
  auto server = sidecall::ServerBuilder().RegisterService(&inventory).BuildAndStart();
  if (!server.ok()) return server.status();
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Shutdown(absl::Seconds(5));
  return absl::OkStatus();
}

}  // namespace
}  // namespace inventory

int main() {
  const absl::Status status = inventory::Serve();
  if (status.ok()) return 0;
  std::cerr << "transports_server: " << status << std::endl;
  return 1;
}
