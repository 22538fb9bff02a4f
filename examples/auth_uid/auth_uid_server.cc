// auth_uid_server: a safe at an address to which everybody may connect; who may do what is the server's to
// say.
#include <grp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <mutex>
#include <string>

#include "safe.sidecall.h"

namespace {

class SafeImpl final : public auth_uid::Safe::Service {
  absl::Status Look(sidecall::ServerContext*, const auth_uid::LookRequest*,
                    auth_uid::Content* reply) override {
    const std::lock_guard lock(mutex_);
    *reply = content_;
    return absl::OkStatus();
  }
  // No line here asks who calls: only those whom the rule lets in get this far.
  absl::Status Put(sidecall::ServerContext* context, const auth_uid::Content* request,
                   auth_uid::PutReply*) override {
    const std::lock_guard lock(mutex_);
    content_ = *request;
    std::cout << "put by " << context->peer().ToString() << std::endl;
    return absl::OkStatus();
  }

  std::mutex mutex_;
  auth_uid::Content content_;
};

sidecall::AccessRule Keepers() {
  sidecall::AccessRule rule{.uids = {geteuid()}};
  if (const group* keepers = getgrnam("safe-keepers"); keepers != nullptr)
    rule.gids.push_back(keepers->gr_gid);
  return rule;
}

absl::Status Serve(const std::string& address) {
  // Blocked before there are threads, so that every thread inherits it and sigwait alone gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  SafeImpl safe;
  auto server = sidecall::ServerBuilder()
                    .AddAddress(address)
                    .RegisterService(&safe)
                    .SetAccess("auth_uid.Safe", sidecall::AccessRule::Anyone())
                    .SetAccess("auth_uid.Safe/Put", Keepers())
                    .BuildAndStart();
  if (!server.ok()) return server.status();
  std::cout << "listening on " << address << std::endl;

  int signal = 0;
  sigwait(&signals, &signal);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Serves auth_uid.Safe until SIGINT or SIGTERM.");
  std::string address = "unix-abstract:sidecall-safe";
  app.add_option("--address", address, "Where to listen")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = Serve(address);
  if (status.ok()) return 0;
  std::cerr << "auth_uid_server: " << status.ToString(absl::StatusToStringMode::kWithNoExtraData)
            << std::endl;
  return 1;
}
