#include "call_local_server.h"

#include <unistd.h>

#include <utility>

#include "call_patience.h"

namespace conformance {

absl::StatusOr<std::unique_ptr<LocalServer>> LocalServer::Start(const std::vector<std::string>& addresses,
                                                                const sidecall::ServerOptions& options,
                                                                Gates::Observer observer) {
  std::unique_ptr<LocalServer> local(new LocalServer(addresses.empty() ? "" : addresses.front()));
  local->gates_.SetObserver(std::move(observer));
  sidecall::ServerBuilder builder;
  builder.SetOptions(options);
  local->services_->RegisterWith(builder);
  for (const std::string& address : addresses) builder.AddAddress(address);
  auto server = builder.BuildAndStart();
  if (!server.ok()) return server.status();
  local->server_ = *std::move(server);
  return local;
}

LocalServer::~LocalServer() {
  if (shutdown_.valid()) shutdown_.wait();
}

pid_t LocalServer::pid() const {
  return getpid();
}

void LocalServer::BeginShutdown(absl::Duration grace) {
  shutdown_ = std::async(std::launch::async, [this, grace] { server_->Shutdown(grace); });
}

bool LocalServer::AwaitShutdown() {
  return shutdown_.wait_for(kPatience) == std::future_status::ready;
}

}  // namespace conformance
