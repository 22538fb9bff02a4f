#include "transports/exec/exec_transport.h"

#include <map>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "transports/exec/exec_connect.h"
#include "transports/exec/exec_listener.h"
#include "transports/exec/fd_pipes.h"

namespace sidecall {
namespace {

class ExecTransport final : public Transport {
 public:
  std::string_view scheme() const override { return "exec"; }
  // No other process can connect to a child.
  std::string AddressIn(const std::string& /*directory*/, const std::string& /*name*/) const override {
    return "";
  }
  bool by_default() const override { return false; }

  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t deadline_nanos,
                                                      int cancel_descriptor) const override {
    auto command = ChildCommand::Parse(address);
    if (!command.ok()) return command.status();
    return ConnectToChild(*command, ChildrenOf(address.text), deadline_nanos, cancel_descriptor);
  }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    auto command = ChildCommand::Parse(address);
    if (!command.ok()) return command.status();
    return ExecListener::Listen(*std::move(command));
  }

 private:
  ChildrenOfAddress& ChildrenOf(const std::string& address) const {
    const std::lock_guard lock(mutex_);
    return children_[address];
  }

  mutable std::mutex mutex_;
  mutable std::map<std::string, ChildrenOfAddress> children_;
};

class FdTransport final : public Transport {
 public:
  std::string_view scheme() const override { return "fd"; }
  std::string AddressIn(const std::string& /*directory*/, const std::string& /*name*/) const override {
    return "";
  }
  bool by_default() const override { return false; }
  bool connects_once() const override { return true; }

  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t /*deadline_nanos*/,
                                                      int /*cancel_descriptor*/) const override {
    absl::Status options = address.CheckOptions("");
    if (!options.ok()) return options;
    return AdoptPipes(address);
  }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    absl::Status options = address.CheckOptions("");
    if (!options.ok()) return options;
    return ListenAtPipes(address);
  }
};

}  // namespace

std::unique_ptr<const Transport> MakeExecTransport() {
  return std::make_unique<ExecTransport>();
}

std::unique_ptr<const Transport> MakeFdTransport() {
  return std::make_unique<FdTransport>();
}

}  // namespace sidecall
