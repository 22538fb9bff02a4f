// hello_service: serves hello.Greeter at the sockets that systemd passes, and tells it how it does.
#include <systemd/sd-daemon.h>

#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hello/greeter.h"
#include "sidecall/sidecall.h"
#include "systemd/passed_sockets.h"
#include "systemd/watchdog.h"

namespace hello {
namespace {

absl::Status Serve() {
  // Blocked before there are threads, so that every thread inherits it and sigwait alone gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  absl::StatusOr<std::vector<std::string>> passed = AddressesOfPassedSockets();
  if (!passed.ok()) return passed.status();
  GreeterImpl greeter;
  sidecall::ServerBuilder builder;
  builder.RegisterService(&greeter);
  for (const std::string& address : *passed) builder.AddAddress(address);
  absl::StatusOr<std::unique_ptr<sidecall::Server>> server = builder.BuildAndStart();
  if (!server.ok()) return server.status();

  const std::vector<std::string>& addresses = (*server)->addresses();
  std::unique_ptr<Watchdog> watchdog = Watchdog::Start(addresses[0]);
  sd_notify(/*unset_environment=*/0,
            absl::StrCat("READY=1\nSTATUS=serves at ", absl::StrJoin(addresses, ", ")).c_str());
  int signal = 0;
  sigwait(&signals, &signal);
  sd_notify(/*unset_environment=*/0, "STOPPING=1");
  watchdog.reset();  // It would find that the server takes no calls any more.
  (*server)->Shutdown(absl::Seconds(5));
  return absl::OkStatus();
}

}  // namespace
}  // namespace hello

int main() {
  const absl::Status status = hello::Serve();
  if (status.ok()) return 0;
  std::cerr << SD_ERR "hello_service: " << status << std::endl;
  return 1;
}
