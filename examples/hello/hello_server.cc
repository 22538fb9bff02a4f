// hello_server: serves hello.Greeter, by its name or at addresses, until SIGINT or SIGTERM.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "hello/greeter.h"
#include "sidecall/sidecall.h"

namespace {

absl::Status Serve(const std::vector<std::string>& addresses) {
  // Blocked before there are threads, so that every thread inherits it and sigwait alone gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  hello::GreeterImpl greeter;
  sidecall::ServerBuilder builder;
  builder.RegisterService(&greeter);
  // Without any, clients find it as "sidecall:hello.Greeter".
  for (const std::string& address : addresses) builder.AddAddress(address);
  absl::StatusOr<std::unique_ptr<sidecall::Server>> server = builder.BuildAndStart();
  if (!server.ok()) return server.status();
  for (const std::string& address : (*server)->addresses())
    std::cout << "listening on " << address << std::endl;

  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Shutdown(absl::Seconds(5));
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Serves hello.Greeter until SIGINT or SIGTERM.");
  std::vector<std::string> addresses;
  app.add_option("--address", addresses,
                 "Where to listen, as unix:/path or shm:/path; may be given again. None: where "
                 "clients find it by name");
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = Serve(addresses);
  if (status.ok()) return 0;
  std::cerr << "hello_server: " << status.ToString(absl::StatusToStringMode::kWithNoExtraData) << std::endl;
  return 1;
}
