// transports_client: asks transports_server how much there is of something, and tells which transport carried
// the call.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "inventory.sidecall.h"
#include "sidecall/sidecall.h"

namespace inventory {
namespace {

absl::Status Ask(const std::string& name) {
  const std::shared_ptr<sidecall::Channel> channel = sidecall::CreateChannel("sidecall:inventory.Inventory");
  const Inventory::Stub stub(channel);
  sidecall::ClientContext context;
  context.set_timeout(absl::Seconds(5));
  context.set_wait_for_ready(true);  // a server that is just being started
  Item item;
  item.set_name(name);
  Count count;
  absl::Status status = stub.CountOf(&context, item, &count);
  if (!status.ok()) return status;
  std::cout << count.pieces() << " " << name << "\n";
  for (const std::string& connection : channel->Connections()) std::cout << connection << "\n";
  return absl::OkStatus();
}

}  // namespace
}  // namespace inventory

int main(int argc, char** argv) {
  CLI::App app("Asks transports_server how much there is of something.");
  std::string name = "apples";
  app.add_option("name", name, "Of what: apples, pears")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = inventory::Ask(name);
  if (status.ok()) return 0;
  std::cerr << "transports_client: " << status.ToString(absl::StatusToStringMode::kWithNoExtraData)
            << std::endl;
  return 1;
}
